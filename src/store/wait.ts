import type { Knex } from 'knex'
import type { Notes } from '../domain/finality.ts'
import { noteColumns } from './notes.ts'
import { inMs } from './settle.ts'

export interface Wait {
  /** The count the row must still have. */
  readonly expectedRetryCount: number
  readonly retryCount: number
  readonly consecutiveErrors: number
  readonly delayMs: number
  readonly error: string | null
  readonly notes: Notes
}

/** Schedules the next look of a pending row. False if the row has moved on: another copy schedules it. */
export async function recordWait(db: Knex, id: string, wait: Wait): Promise<boolean> {
  const touched = await db('transaction_history')
    .where({ id, status: 'pending', retry_count: wait.expectedRetryCount })
    .update({
      retry_count: wait.retryCount,
      consecutive_errors: wait.consecutiveErrors,
      next_check_at: inMs(db, wait.delayMs),
      leased_until: null,
      lease_count: 0,
      last_checked_at: db.fn.now(),
      last_error: wait.error,
      ...noteColumns(wait.notes),
      updated_at: db.fn.now(),
    })
  return touched > 0
}

export interface HandlerFailure {
  /** The count the row must still have. */
  readonly expectedAttempts: number
  readonly error: string
  readonly delayMs: number
  readonly park: boolean
}

/**
 * Counts a business write that threw, and schedules the next try or parks the row. False if it moved on.
 * A receipt was there, so evidence of a replacement is void.
 */
export async function recordHandlerFailure(
  db: Knex,
  id: string,
  { expectedAttempts, error, delayMs, park }: HandlerFailure,
): Promise<boolean> {
  const touched = await db('transaction_history')
    .where({ id, status: 'pending', handler_attempts: expectedAttempts, parked_at: null })
    .update({
      handler_attempts: expectedAttempts + 1,
      next_check_at: inMs(db, delayMs),
      parked_at: park ? db.fn.now() : null,
      leased_until: null,
      lease_count: 0,
      last_checked_at: db.fn.now(),
      last_error: error,
      evidence: null,
      updated_at: db.fn.now(),
    })
  return touched > 0
}

export interface Look {
  /** The time of the next look that the row must still have. */
  readonly expectedNextCheckAt: Date | null
  readonly nextCheckInMs: number | null
  readonly error: string | null
  readonly notes: Notes
}

/**
 * Notes a look that left a stalled or expired row as it is. Nothing if another look or a recheck came in
 * between: what that one asked for or found out is newer.
 */
export async function recordLook(
  db: Knex,
  id: string,
  { expectedNextCheckAt, nextCheckInMs, error, notes }: Look,
): Promise<void> {
  await db('transaction_history')
    .where({ id })
    .whereIn('status', ['stalled', 'expired'])
    // A Date has no microseconds.
    .whereRaw(
      `date_trunc('milliseconds', next_check_at) IS NOT DISTINCT FROM CAST(:expectedNextCheckAt AS timestamptz)`,
      { expectedNextCheckAt },
    )
    .update({
      next_check_at: nextCheckInMs === null ? null : inMs(db, nextCheckInMs),
      last_checked_at: db.fn.now(),
      last_error: error,
      ...noteColumns(notes),
      updated_at: db.fn.now(),
    })
}
