import type { Condition, DrillContext, Finding } from './drill.ts'
import { isClean, type Judgement, judge } from './judge.ts'
import type { Parts, PartsOfEitherQueue } from './parts.ts'
import { pollUntil } from './poll.ts'
import { PREFIX, untilEmpty } from './queues.ts'

/** Time after the last fault in which everything must have its final state. */
const SETTLE_LIMIT_MS = 120_000
const EMPTY_LIMIT_MS = 30_000

export interface SettleOptions {
  readonly limitMs?: number
  /** Of the queues that must be empty; that of the settings if left out. */
  readonly prefixes?: readonly string[]
  readonly conditions?: readonly Condition[]
}

export async function countPending({ db }: Pick<Parts, 'db'>): Promise<number> {
  const { rows } = await db.raw<{ rows: { count: string }[] }>(
    `SELECT count(*) FROM confirmd.transaction_history WHERE status = 'pending'`,
  )
  return Number(rows[0]?.count)
}

/**
 * The end of a drill: waits from the last fault, which is now, until the database agrees with the chain and
 * the queues are empty, and judges.
 */
export async function settleAndJudge(
  { ledger, say }: Pick<DrillContext, 'ledger' | 'say'>,
  parts: PartsOfEitherQueue,
  { limitMs = SETTLE_LIMIT_MS, prefixes = [PREFIX], conditions = [] }: SettleOptions = {},
): Promise<Finding> {
  const lastFaultAt = Date.now()
  let judgement: Judgement = await judge(parts.db, ledger.entries)
  await pollUntil(
    async () => {
      if ((await countPending(parts)) > 0) return false
      judgement = await judge(parts.db, ledger.entries)
      return isClean(judgement)
    },
    { timeoutMs: limitMs, intervalMs: 250 },
  )
  const tookMs = Date.now() - lastFaultAt
  judgement = await judge(parts.db, ledger.entries)
  const inTime = isClean(judgement) && tookMs <= limitMs
  say(`all in their final state: ${isClean(judgement) ? `${tookMs} ms after the last fault` : 'no'}`)
  const queueConditions = await judgeQueues(parts, prefixes)
  return {
    judgement: await judge(parts.db, ledger.entries),
    conditions: [
      { text: `all final within ${limitMs / 1_000} s of the last fault`, passed: inTime },
      ...queueConditions,
      ...conditions,
    ],
  }
}

/** Where the table is the queue there is nothing beside the rows, which were judged. */
async function judgeQueues(
  { rabbitmq, delaysMs }: PartsOfEitherQueue,
  prefixes: readonly string[],
): Promise<Condition[]> {
  if (!rabbitmq) return []
  const { left, parked } = await untilEmpty({ rabbitmq, delaysMs, prefixes }, EMPTY_LIMIT_MS)
  return [
    { text: `queues empty (${left} left)`, passed: left === 0 },
    { text: `nothing parked (${parked} messages)`, passed: parked === 0 },
  ]
}
