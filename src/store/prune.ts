import type { Knex } from 'knex'
import { againAfterDeadlock } from './deadlock.ts'
import { markPruned } from './event-cursors.ts'
import { qualified } from './schema.ts'
import { prepared } from './statement.ts'

export interface PruneOptions {
  readonly chain: string
  /** Only what was settled before this time. */
  readonly before: Date
  /** The prefix of the exchange that events go to, of which what it has not taken yet stays; null: none. */
  readonly prefix: string | null
  /** Goes on after this id; null begins with the oldest. */
  readonly after: string | null
  /** Most transactions that are looked at. */
  readonly limit: number
}

/** One batch of a pruning. */
export interface Pruned {
  readonly transactions: number
  readonly events: number
  /** Where the next batch goes on; null if there is none. */
  readonly next: string | null
}

/** What one batch looked at. */
interface Candidates {
  /** What may be deleted. */
  readonly ids: readonly string[]
  readonly next: string | null
}

/** Ids are in the order of registration, so the primary key finds the oldest without an index of its own. */
const SETTLED_LONG_AGO = `
  SELECT t.id FROM :schema:.transaction_history AS t
   WHERE t.id > COALESCE(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000')
     AND t.id < CAST(:bound AS uuid)
     AND t.chain = :chain
     AND t.settled_at < :before
     AND (t.status IN ('confirmed', 'failed')
       OR (t.status IN ('replaced', 'expired') AND t.next_check_at IS NULL AND t.parked_at IS NULL))
   ORDER BY t.id LIMIT :limit`

/**
 * Those of some transactions that have an event of which somebody is still to be told. It is asked of a batch, by the
 * index of each: asked within the statement that finds the batch, PostgreSQL 15 read all events for each batch. OFFSET 0
 * keeps it from reading all pending deliveries into a hash.
 */
const UNSENT = `
  SELECT o.transaction_id AS id FROM :schema:.outbox AS o
   WHERE o.transaction_id = ANY(:ids)
     AND (o.sequence IS NULL
       OR o.sequence > (SELECT sequence FROM :schema:.event_cursors
                         WHERE name = 'announced' AND prefix = :prefix AND chain = o.chain)
       OR EXISTS (SELECT 1 FROM :schema:.webhook_deliveries AS d JOIN :schema:.webhooks AS w ON w.id = d.webhook_id
                   WHERE d.position = o.position AND d.status = 'pending' AND w.enabled OFFSET 0))`

/**
 * Deletes some of the oldest transactions of a chain that have a verdict, with their events and what was sent of these.
 * What is pending, stalled, parked or still checked stays, and so does what somebody is still to be told of.
 */
export async function pruneBatch(db: Knex, options: PruneOptions): Promise<Pruned> {
  return againAfterDeadlock(() =>
    db.transaction(async (trx) => {
      const { ids, next } = await findPrunable(trx, options, 'FOR UPDATE SKIP LOCKED')
      if (ids.length === 0) return { transactions: 0, events: 0, next }
      const chosen = [...ids]
      const transactions = await trx(qualified(trx, 'transaction_history')).whereIn('id', chosen).delete()
      const gone: { sequence: string }[] = await trx(qualified(trx, 'outbox'))
        .whereIn('transaction_id', chosen)
        .delete()
        .returning('sequence')
      // A reader that has not come so far is told that it has missed something.
      const newest = gone.reduce((most, { sequence }) => Math.max(most, Number(sequence)), 0)
      await markPruned(trx, options.chain, newest)
      return { transactions, events: gone.length, next }
    }),
  )
}

/** How many transactions a batch would delete, and where the next one goes on. */
export async function countPrunable(
  db: Knex,
  options: PruneOptions,
): Promise<{ transactions: number; next: string | null }> {
  const { ids, next } = await findPrunable(db, options)
  return { transactions: ids.length, next }
}

async function findPrunable(db: Knex, options: PruneOptions, lock = ''): Promise<Candidates> {
  const { chain, before, prefix, after, limit } = options
  const bound = firstIdOf(before)
  const bindings = { chain, after, bound, before, limit }
  const rows = await prepared<{ id: string }>(
    db,
    lock === '' ? 'confirmd-prunable-1' : 'confirmd-prune-4',
    `${SETTLED_LONG_AGO} ${lock}`,
    bindings,
  )
  const found = rows.map(({ id }) => id)
  if (found.length === 0) return { ids: [], next: null }
  const unsent = await prepared<{ id: string }>(db, 'confirmd-unsent-of-1', UNSENT, {
    ids: found,
    prefix: prefix ?? '',
  })
  const kept = new Set(unsent.map(({ id }) => id))
  return {
    ids: found.filter((id) => !kept.has(id)),
    next: found.length < limit ? null : (found.at(-1) ?? null),
  }
}

/** The smallest UUID v7 of a time: its first 48 bits are the time in ms. */
function firstIdOf(time: Date): string {
  const digits = time.getTime().toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7000-8000-000000000000`
}
