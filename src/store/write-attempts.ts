import type { Knex } from 'knex'
import type { Look } from '../domain/look.ts'
import { OPEN_STATUSES } from '../domain/transaction.ts'
import { addedLook } from './looks.ts'
import { qualified } from './schema.ts'
import { inMs } from './time.ts'

/** Why a row is set aside. `no-handler` ends by itself when a process with a handler of its kind appears. */
export type ParkCode = 'write-failed' | 'no-handler' | 'refused'

/**
 * Counts an attempt to commit a verdict, in a commit of its own before it begins: a process that dies in it leaves the
 * count, and why. False if the row has moved on since `expectedAttempts`.
 */
export async function beginWriteAttempt(
  db: Knex,
  id: string,
  { expectedAttempts, isCounted, reason }: { expectedAttempts: number; isCounted: boolean; reason: string },
): Promise<boolean> {
  const touched = await db(qualified(db, 'transaction_history'))
    .where({ id, handler_attempts: expectedAttempts, parked_at: null })
    .whereIn('status', OPEN_STATUSES)
    .update({
      handler_attempts: expectedAttempts + (isCounted ? 1 : 0),
      last_error: reason,
      updated_at: db.fn.now(),
    })
  return touched > 0
}

export interface WriteAttemptFailure {
  /** The count the row must still have. */
  readonly attempts: number
  readonly error: string
  /** Until the next attempt. Null: as it is scheduled already, since the row's check is on its way. */
  readonly delayMs: number | null
  readonly isParked: boolean
  readonly look: Look
}

/** The row after a failure: when its next check is due. */
export interface AfterFailure {
  readonly nextCheckAt: Date | null
}

/**
 * Notes why an attempt failed, and schedules the next one. Null if the row has moved on. A receipt was there, so what
 * spoke for a replacement or an absence of a row that is still waited for is void.
 */
export async function recordWriteFailure(
  db: Knex,
  id: string,
  { attempts, error, delayMs, isParked, look }: WriteAttemptFailure,
): Promise<AfterFailure | null> {
  const touched: TouchedRow[] = await db(qualified(db, 'transaction_history'))
    .where({ id, handler_attempts: attempts, parked_at: null })
    .whereIn('status', OPEN_STATUSES)
    .update({
      ...(delayMs === null ? {} : { next_check_at: inMs(db, delayMs), leased_until: null, lease_count: 0 }),
      ...(isParked ? { parked_at: db.fn.now(), park_code: 'write-failed' satisfies ParkCode } : {}),
      last_checked_at: db.fn.now(),
      last_error: error,
      evidence: db.raw(`CASE WHEN status IN ('pending', 'stalled') THEN NULL ELSE evidence END`),
      absent_checks: 0,
      looks: addedLook(db, look),
      updated_at: db.fn.now(),
    })
    .returning('next_check_at')
  return afterFailure(touched)
}

interface TouchedRow {
  readonly next_check_at: Date | null
}

function afterFailure([row]: readonly TouchedRow[]): AfterFailure | null {
  return row ? { nextCheckAt: row.next_check_at } : null
}

/**
 * Sets an open row aside until a recheck; it keeps its status. Null keeps the error that the row has. False if it is set
 * aside already, or has its verdict.
 */
export async function park(
  db: Knex,
  id: string,
  { code, reason }: { code: ParkCode; reason: string | null },
): Promise<boolean> {
  const touched = await db(qualified(db, 'transaction_history'))
    .where({ id, parked_at: null })
    .whereIn('status', OPEN_STATUSES)
    .update({
      parked_at: db.fn.now(),
      park_code: code,
      ...(reason === null ? {} : { last_error: reason }),
      leased_until: null,
      lease_count: 0,
      updated_at: db.fn.now(),
    })
  return touched > 0
}

/**
 * Counts a statement that was refused for what it holds, and puts off the next check or sets the row aside; the text is
 * clean. Null if the row has moved on.
 */
export async function recordRefusal(
  db: Knex,
  id: string,
  refusal: { expectedAttempts: number; error: string; delayMs: number; isParked: boolean },
): Promise<AfterFailure | null> {
  const { expectedAttempts, error, delayMs, isParked } = refusal
  const touched: TouchedRow[] = await db(qualified(db, 'transaction_history'))
    .where({ id, handler_attempts: expectedAttempts, parked_at: null })
    .whereIn('status', OPEN_STATUSES)
    .update({
      handler_attempts: expectedAttempts + 1,
      ...(isParked ? { parked_at: db.fn.now(), park_code: 'refused' satisfies ParkCode } : {}),
      next_check_at: inMs(db, delayMs),
      leased_until: null,
      lease_count: 0,
      last_error: error,
      updated_at: db.fn.now(),
    })
    .returning('next_check_at')
  return afterFailure(touched)
}

/** Says why an open row waits, without a change of when; nothing is written if the row says so already. */
export async function noteReason(db: Knex, id: string, reason: string): Promise<void> {
  await db(qualified(db, 'transaction_history'))
    .where({ id })
    .whereIn('status', OPEN_STATUSES)
    .whereRaw('last_error IS DISTINCT FROM ?', [reason])
    .update({ last_error: reason, updated_at: db.fn.now() })
}
