import type { Drill } from './drill.ts'
import { everythingBreaks } from './drills/everything-breaks.ts'
import { fullPrefetch } from './drills/full-prefetch.ts'
import { gracefulStops } from './drills/graceful-stops.ts'
import { queuesPurged } from './drills/queues-purged.ts'
import { sameMessage } from './drills/same-message.ts'

/** All drills, in the order of their numbers. */
export const DRILLS: readonly Drill[] = [
  everythingBreaks,
  sameMessage,
  queuesPurged,
  fullPrefetch,
  gracefulStops,
]
