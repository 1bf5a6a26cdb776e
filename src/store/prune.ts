import type { Knex } from 'knex'
import { markPruned } from './event-cursors.ts'
import { prepared } from './statement.ts'

export interface PruneOptions {
  /** Only what was settled before this time. */
  readonly before: Date
  /** Whether events go to an exchange: what it has not taken yet stays. */
  readonly hasExchange: boolean
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

/** An event `o` that somebody is still to be told of. */
const UNSENT = `(
  o.sequence IS NULL
  OR (:hasExchange AND o.sequence > (SELECT sequence FROM event_cursors WHERE name = 'announced'))
  OR EXISTS (SELECT 1 FROM webhook_deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id
              WHERE d.position = o.position AND d.status = 'pending' AND w.enabled))`

/** Ids are in the order of registration, so the primary key finds the oldest without an index of its own. */
const PRUNABLE = `t.id < CAST(:bound AS uuid)
  AND t.settled_at < :before
  AND (t.status IN ('confirmed', 'failed')
    OR (t.status IN ('replaced', 'expired') AND t.next_check_at IS NULL AND t.parked_at IS NULL))
  AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.transaction_id = t.id AND ${UNSENT})`

/**
 * Deletes some of the oldest transactions that have a verdict, with their events and what was sent of these. What is
 * pending, stalled, parked or still checked stays, and so does what somebody is still to be told of.
 */
export async function pruneBatch(db: Knex, options: PruneOptions): Promise<Pruned> {
  const { before, hasExchange, after, limit } = options
  return db.transaction(async (trx) => {
    const ids = await prepared<{ id: string }>(
      trx,
      'confirmd-prune-3',
      `SELECT t.id FROM transaction_history AS t
        WHERE t.id > COALESCE(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000')
          AND ${PRUNABLE}
        ORDER BY t.id LIMIT :limit
          FOR UPDATE SKIP LOCKED`,
      { after, bound: firstIdOf(before), before, hasExchange, limit },
    )
    if (ids.length === 0) return { transactions: 0, events: 0, next: null }
    const chosen = ids.map(({ id }) => id)
    const transactions = await trx('transaction_history').whereIn('id', chosen).delete()
    const gone: { sequence: string }[] = await trx('outbox')
      .whereIn('transaction_id', chosen)
      .delete()
      .returning('sequence')
    // A reader that has not come so far is told that it has missed something.
    const newest = gone.reduce((most, { sequence }) => Math.max(most, Number(sequence)), 0)
    await markPruned(trx, newest)
    return { transactions, events: gone.length, next: ids.length < limit ? null : (chosen.at(-1) ?? null) }
  })
}

/** How many transactions there are to prune. */
export async function countPrunable(
  db: Knex,
  { before, hasExchange }: Pick<PruneOptions, 'before' | 'hasExchange'>,
): Promise<number> {
  const rows = await prepared<{ count: string }>(
    db,
    'confirmd-count-prunable-3',
    `SELECT count(*) FROM transaction_history AS t WHERE ${PRUNABLE}`,
    { bound: firstIdOf(before), before, hasExchange },
  )
  return Number(rows[0]?.count ?? 0)
}

/** The smallest UUID v7 of a time: its first 48 bits are the time in ms. */
function firstIdOf(time: Date): string {
  const digits = time.getTime().toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7000-8000-000000000000`
}
