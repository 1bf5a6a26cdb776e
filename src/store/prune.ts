import type { Knex } from 'knex'
import { prepared } from './statement.ts'

export interface PruneOptions {
  /** Only what was settled before this time. */
  readonly before: Date
  /** Goes on after this id; null begins with the oldest. */
  readonly after: string | null
  readonly limit: number
}

/** One batch of a pruning. */
export interface Pruned {
  readonly transactions: number
  readonly events: number
  /** Where the next batch goes on; null if there is none. */
  readonly next: string | null
}

/** Ids are in the order of registration, so the primary key finds the oldest without an index of its own. */
const PRUNABLE = `id < CAST(:bound AS uuid)
  AND status IN ('confirmed', 'failed', 'replaced') AND settled_at < :before`

/**
 * Deletes some of the oldest transactions that have a verdict, with their events that were announced. What is open,
 * stalled or expired stays, and so does an event that nobody was told of.
 */
export async function pruneBatch(db: Knex, { before, after, limit }: PruneOptions): Promise<Pruned> {
  return db.transaction(async (trx) => {
    const ids = await prepared<{ id: string }>(
      trx,
      'confirmd-prune-1',
      `SELECT id FROM transaction_history
        WHERE id > COALESCE(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000')
          AND ${PRUNABLE}
        ORDER BY id LIMIT :limit
          FOR UPDATE SKIP LOCKED`,
      { after, bound: firstIdOf(before), before, limit },
    )
    if (ids.length === 0) return { transactions: 0, events: 0, next: null }
    const chosen = ids.map(({ id }) => id)
    const transactions = await trx('transaction_history').whereIn('id', chosen).delete()
    const events = await trx('outbox').whereIn('transaction_id', chosen).whereNotNull('announced_at').delete()
    return { transactions, events, next: ids.length < limit ? null : (chosen.at(-1) ?? null) }
  })
}

/** How many transactions there are to prune. */
export async function countPrunable(db: Knex, before: Date): Promise<number> {
  const rows = await prepared<{ count: string }>(
    db,
    'confirmd-count-prunable-1',
    `SELECT count(*) FROM transaction_history WHERE ${PRUNABLE}`,
    { bound: firstIdOf(before), before },
  )
  return Number(rows[0]?.count ?? 0)
}

/** The smallest UUID v7 of a time: its first 48 bits are the time in ms. */
function firstIdOf(time: Date): string {
  const digits = time.getTime().toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7000-8000-000000000000`
}
