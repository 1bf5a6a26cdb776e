import type { Knex } from 'knex'
import type { Drill } from '../drill.ts'
import { QUEUE_ALONE } from '../parts.ts'
import { demand, pollUntil } from '../poll.ts'
import { appear } from '../registrar.ts'
import { openScene } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

/** Long enough that this machine can look at 10,000 within half of it. */
const TIER_MS = 30_000
const QUICK_TIER_MS = 3_000
const LATENESS_SHARE = 0.5
const ROUNDS = 2

/** A full wait tier comes back in time. */
export const waitTier: Drill = {
  number: 10,
  title: '10,000 parked in a wait tier of 30 s: lateness',
  run: async (context) => {
    const { n, ledger, quick, say } = context
    const tierMs = quick ? QUICK_TIER_MS : TIER_MS
    const settings = {
      RETRY_DELAYS_MS: String(tierMs),
      RETRY_LIMIT: '20',
      SWEEP_GRACE_MS: '120000',
      ...QUEUE_ALONE,
    }
    const { parts, registrar } = await openScene(context, { settings })
    const looks = new Map<string, number[]>()
    parts.node.onLook = (txHash) => {
      const times = looks.get(txHash)
      if (times) times.push(Date.now())
      else looks.set(txHash, [Date.now()])
    }
    const entries = ledger.make(n, { absent: 0 })
    await registrar.register(entries.map((entry) => ({ ...entry, truth: null })))
    for (const entry of entries) entry.recorded = true
    let deepest = 0
    await pollUntil(
      async () => {
        deepest = Math.max(deepest, await countWaiting(parts.db))
        return [...looks.values()].every((times) => times.length > ROUNDS)
      },
      { timeoutMs: tierMs * (ROUNDS + 2) + 60_000, intervalMs: 500 },
    )
    await demand('every transaction was looked at again', () => looks.size === entries.length)
    const latenesses = [...looks.values()]
      .flatMap((times) => times.slice(1).map((time, index) => time - (times[index] ?? 0) - tierMs))
      .toSorted((a, b) => a - b)
    const p99 = latenesses[Math.floor(latenesses.length * 0.99)] ?? Number.NaN
    const median = latenesses[Math.floor(latenesses.length / 2)] ?? Number.NaN
    say(`${latenesses.length} waits, the tier held up to ${deepest}: median ${median} ms late, p99 ${p99} ms`)
    parts.node.onLook = () => undefined
    for (const entry of entries) appear(parts.chain, entry)
    return settleAndJudge(context, parts, {
      conditions: [
        {
          text: `p99 of the lateness is ${p99} ms, within half of the tier's ${tierMs} ms`,
          passed: p99 <= tierMs * LATENESS_SHARE,
        },
        { text: `most were in the tier at once (${deepest} of ${n})`, passed: deepest > n / 2 },
      ],
    })
  },
}

/** Their checks are in the tier; some share a message. */
async function countWaiting(db: Knex): Promise<number> {
  const [row] = await db('confirmd.transaction_history')
    .where('retry_count', '>', 0)
    .where('next_check_at', '>', db.fn.now())
    .count('* as count')
  return Number(row?.['count'])
}
