import type { Drill } from '../drill.ts'
import { every } from '../faults.ts'
import type { Entry } from '../ledger.ts'
import { pollUntil } from '../poll.ts'
import { openScene } from '../scene.ts'
import { countPending, settleAndJudge } from '../settled.ts'

const DEPTH_BLOCKS = 4
const REORG_INTERVAL_MS = 3_000
const REORGS_AT_MOST_MS = 120_000
const REPLAN_DELAY_MS = 3_000
/** Less than the time over which a replacement must be seen. */
const INDEX_LAG_MS = 6_000

/** Receipts that come, go and come again, some with the other outcome: only what is final counts. */
export const receiptsFlicker: Drill = {
  number: 8,
  title: 'receipt, then null, then receipt: lag, and reorganisations on a chain with a depth of 4',
  run: async (context) => {
    const { n, ledger, random, quick, say } = context
    // Waiting for the depth spends attempts as well.
    const settings = { FINALITY_DEPTH_BLOCKS: String(DEPTH_BLOCKS), ...(quick ? { RETRY_LIMIT: '10' } : {}) }
    const { parts, registrar } = await openScene(context, { settings })
    const entries = ledger.make(n, { replaced: 0.02 })
    const byHash = new Map<string, Entry>(entries.map((entry) => [entry.txHash, entry]))
    const chance = random('reorganisations')
    let taken = 0

    // Less deep than finality, or the chain would break its own promise.
    function reorganise(): void {
      const depth = 1 + Math.floor(chance() * (DEPTH_BLOCKS - 1))
      taken += parts.chain.reorganise(depth, (txHash) => {
        const outcome = chance() < 0.7 ? 'confirmed' : 'failed'
        const entry = byHash.get(txHash)
        if (entry) entry.truth = outcome
        return { outcome, afterMs: Math.floor(chance() * REPLAN_DELAY_MS) }
      })
    }

    parts.node.faults = { receiptAbsent: 0.3, indexLagMs: INDEX_LAG_MS }
    const reorganising = every(REORG_INTERVAL_MS, reorganise)
    await registrar.register(entries, { perSecond: Math.max(50, n / 20) })
    await pollUntil(async () => (await countPending(parts)) < n / 5, {
      timeoutMs: REORGS_AT_MOST_MS,
      intervalMs: 250,
    })
    const reorganisations = await reorganising.stop()
    parts.node.faults = {}
    say(`${reorganisations} reorganisations took ${taken} transactions out of their blocks`)
    return settleAndJudge(context, parts, {
      conditions: [{ text: `transactions were taken out of blocks (${taken})`, passed: taken > 0 }],
    })
  },
}
