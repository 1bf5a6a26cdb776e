import type { Drill } from './drill.ts'
import { badNodes } from './drills/bad-nodes.ts'
import { brokerDown } from './drills/broker-down.ts'
import { carelessHandlers } from './drills/careless-handlers.ts'
import { clusterLosesNodes } from './drills/cluster-loses-nodes.ts'
import { connectionsBreak } from './drills/connections-break.ts'
import { crashPoints } from './drills/crash-points.ts'
import { everythingBreaks } from './drills/everything-breaks.ts'
import { forbiddenTargets } from './drills/forbidden-targets.ts'
import { foreignTopology } from './drills/foreign-topology.ts'
import { fullPrefetch } from './drills/full-prefetch.ts'
import { fuzzedAnswers } from './drills/fuzzed-answers.ts'
import { gracefulStops } from './drills/graceful-stops.ts'
import { lostBehindStalled } from './drills/lost-behind-stalled.ts'
import { memoryAlarm } from './drills/memory-alarm.ts'
import { modelTest } from './drills/model-test.ts'
import { promotedStandby } from './drills/promoted-standby.ts'
import { queuesPurged } from './drills/queues-purged.ts'
import { receiptsFlicker } from './drills/receipts-flicker.ts'
import { rpcDown } from './drills/rpc-down.ts'
import { sameMessage } from './drills/same-message.ts'
import { twoChains } from './drills/two-chains.ts'
import { twoVersions } from './drills/two-versions.ts'
import { untrustworthyNodes } from './drills/untrustworthy-nodes.ts'
import { waitTier } from './drills/wait-tier.ts'

/** All drills, in the order of their numbers. */
export const DRILLS: readonly Drill[] = [
  everythingBreaks,
  crashPoints,
  sameMessage,
  brokerDown,
  queuesPurged,
  rpcDown,
  badNodes,
  receiptsFlicker,
  fullPrefetch,
  waitTier,
  memoryAlarm,
  connectionsBreak,
  twoVersions,
  gracefulStops,
  modelTest,
  forbiddenTargets,
  foreignTopology,
  twoChains,
  carelessHandlers,
  untrustworthyNodes,
  clusterLosesNodes,
  promotedStandby,
  lostBehindStalled,
  fuzzedAnswers,
]
