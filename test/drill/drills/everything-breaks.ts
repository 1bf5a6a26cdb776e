import { setTimeout as sleep } from 'node:timers/promises'
import { createStore } from '../../../src/store/store.ts'
import { senderOf } from '../chain.ts'
import type { Drill } from '../drill.ts'
import { every, killBroker, terminateBackends } from '../faults.ts'
import type { Entry } from '../ledger.ts'
import type { Parts } from '../parts.ts'
import { pollUntil } from '../poll.ts'
import { appear } from '../registrar.ts'
import { openScene } from '../scene.ts'
import { countPending, settleAndJudge } from '../settled.ts'

const WORKER_KILL_INTERVAL_MS = 2_000
const BACKEND_KILL_INTERVAL_MS = 3_000
const BROKER_KILLS = 3
const BROKER_DOWN_MS = 2_000
const BROKER_UP_MS = 4_000
const SKIPPED_SHARE = 0.01
/** The faults end when nearly all is settled, or at the latest then. */
const FAULTS_AT_MOST_MS = 240_000

/** Everything that can break breaks, while 10,000 transactions come in. */
export const everythingBreaks: Drill = {
  number: 1,
  title: 'worker killed every 2 s, broker killed 3×, backends ended every 3 s, RPC 30% errors and nulls',
  run: async (context) => {
    const { n, ledger, random, scaled, say, tally } = context
    const { parts, workers, registrar } = await openScene(context)
    const entries = ledger.make(n, { replaced: 0.01 })
    const skipped = entries.splice(0, Math.max(1, Math.round(n * SKIPPED_SHARE)))
    parts.node.faults = { error: 0.3, receiptAbsent: 0.1 }

    const choice = random('kills')
    const killing = every(WORKER_KILL_INTERVAL_MS, () => workers.killOne(choice))
    const terminating = every(BACKEND_KILL_INTERVAL_MS, () => terminateBackends(parts))
    const brokerKills = killBrokerRepeatedly(scaled(BROKER_KILLS, 1))
    await Promise.all([registrar.register(entries), recordWithoutMessage(parts, skipped)])
    say(`${entries.length} registered, ${skipped.length} recorded without their first message`)
    await brokerKills
    await pollUntil(async () => (await countPending(parts).catch(() => n)) < n / 10, {
      timeoutMs: FAULTS_AT_MOST_MS,
      intervalMs: 500,
    })
    const [kills, terminations] = [await killing.stop(), await terminating.stop()]
    parts.node.faults = {}
    say(`the faults end: ${kills} workers killed, backends ended ${terminations}×`)
    return settleAndJudge(context, parts)

    async function killBrokerRepeatedly(times: number): Promise<void> {
      for (let count = 0; count < times; count++) {
        await sleep(BROKER_UP_MS)
        await killBroker({ tally }, parts, BROKER_DOWN_MS)
      }
    }
  },
}

/** As if the process had died between the insert and the first publish. */
async function recordWithoutMessage({ db, chain }: Parts, entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    appear(chain, entry)
    const { txHash } = entry
    const registration = {
      chain: 'kaia',
      txHash,
      kind: 'order',
      payload: {},
      correlationId: null,
      traceParent: null,
    }
    await createStore(db, { chain: 'kaia' }).record({ ...registration, sender: senderOf(txHash), nonce: 0 })
    entry.recorded = true
  }
}
