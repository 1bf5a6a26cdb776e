import type { Knex } from 'knex'
import { type AnnouncedStatus, outcomeEvent } from '../domain/event.ts'
import type { Notes } from '../domain/finality.ts'
import type { Look } from '../domain/look.ts'
import type { ReplacementLook } from '../domain/replacement.ts'
import type { Transaction, TransactionStatus } from '../domain/transaction.ts'
import { addedLook } from './looks.ts'
import { noteColumns } from './notes.ts'
import { insertEvents } from './outbox.ts'
import { qualified } from './schema.ts'
import { inMs } from './time.ts'
import { type TransactionRow, toTransaction } from './transaction-row.ts'

/**
 * Commits that another transaction took the nonce, with the evidence and the event. Null if the row has moved on,
 * or no longer has the looks that the evidence was added to: a recheck or another look has voided them.
 */
export async function settleReplaced(
  db: Knex,
  id: string,
  settled: {
    evidence: readonly ReplacementLook[]
    expectedLooks: number
    replacedBy: string | null
    reason: string | null
    nextCheckInMs: number
    look: Look
  },
): Promise<Transaction | null> {
  const { evidence, expectedLooks, replacedBy, reason, nextCheckInMs, look } = settled
  return announceStep(db, id, ['pending', 'stalled'], 'replaced', {
    fence: (row) => void row.whereRaw('coalesce(jsonb_array_length(evidence), 0) = ?', [expectedLooks]),
    look,
    evidence: JSON.stringify(evidence),
    replaced_by: replacedBy,
    last_error: reason,
    next_check_at: inMs(db, nextCheckInMs),
    settled_at: db.raw('clock_timestamp()'),
  })
}

/** pending → stalled, with its event. Null if the row has moved on since `retryCount`. */
export async function stall(
  db: Knex,
  id: string,
  {
    retryCount,
    nextCheckInMs,
    notes,
    look,
  }: { retryCount: number; nextCheckInMs: number; notes: Notes; look: Look },
): Promise<Transaction | null> {
  return announceStep(db, id, ['pending'], 'stalled', {
    fence: (row) => void row.where({ retry_count: retryCount }),
    look,
    ...noteColumns(notes),
    stalled_at: db.raw('clock_timestamp()'),
    next_check_at: inMs(db, nextCheckInMs),
  })
}

/** stalled → expired, with its event. Null if the row has moved on. */
export async function expire(
  db: Knex,
  id: string,
  { nextCheckInMs, look }: { nextCheckInMs: number; look: Look },
): Promise<Transaction | null> {
  return announceStep(db, id, ['stalled'], 'expired', {
    fence: () => undefined,
    look,
    next_check_at: inMs(db, nextCheckInMs),
    settled_at: db.raw('clock_timestamp()'),
  })
}

/** What a row must have besides its status. */
type Fence = (row: Knex.QueryBuilder) => void

async function announceStep(
  db: Knex,
  id: string,
  from: readonly TransactionStatus[],
  status: AnnouncedStatus,
  { fence, look, ...changes }: { fence: Fence; look: Look } & Record<string, unknown>,
): Promise<Transaction | null> {
  return db.transaction(async (trx) => {
    const rows: TransactionRow[] = await trx(qualified(trx, 'transaction_history'))
      .where({ id, parked_at: null })
      .modify(fence)
      .whereIn('status', from)
      .update({
        last_error: null,
        ...changes,
        status,
        looks: addedLook(db, look),
        consecutive_errors: 0,
        last_checked_at: trx.fn.now(),
        leased_until: null,
        lease_count: 0,
        updated_at: trx.fn.now(),
      })
      .returning('*')
    const moved = rows[0] ? toTransaction(rows[0]) : null
    if (moved) await insertEvents(trx, [outcomeEvent(moved, status)])
    return moved
  })
}
