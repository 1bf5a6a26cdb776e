import type { Knex } from 'knex'
import type { Notes } from '../domain/finality.ts'
import type { Look } from '../domain/look.ts'
import { addedLook, toStoredLook, withLook } from './looks.ts'
import { noteColumns } from './notes.ts'
import { prepared } from './statement.ts'
import { inMs } from './time.ts'
import { firstOfEach, together } from './together.ts'

export interface Wait {
  readonly id: string
  /** The count the row must still have. */
  readonly expectedRetryCount: number
  readonly retryCount: number
  readonly consecutiveErrors: number
  readonly delayMs: number
  readonly error: string | null
  readonly notes: Notes
  readonly look: Look
}

/** Each false if the row has moved on, or another copy in this batch schedules the look. */
export async function recordWaitsTogether(
  db: Knex,
  waits: readonly Wait[],
): Promise<PromiseSettledResult<boolean>[]> {
  return firstOfEach(
    waits,
    ({ id, expectedRetryCount }) => `${id} ${expectedRetryCount}`,
    () => false,
    (firsts) => together(firsts, (each) => recordWaits(db, each)),
  )
}

/** Locked in the order of their ids, as a settle locks them. What is not noted keeps its jsonb untouched. */
const UPDATE = `
  WITH given AS (
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
      id uuid, expected integer, retry_count integer, consecutive_errors integer, delay_ms double precision,
      error text, seen_sender text, seen_nonce bigint, evidence jsonb,
      look jsonb)
  ), locked AS (
    SELECT id FROM transaction_history
     WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'pending'
     ORDER BY id
       FOR UPDATE
  )
  UPDATE transaction_history AS t
     SET retry_count = given.retry_count,
         consecutive_errors = given.consecutive_errors,
         next_check_at = clock_timestamp() + given.delay_ms * interval '1 millisecond',
         leased_until = NULL, lease_count = 0,
         last_checked_at = now(), updated_at = now(),
         last_error = given.error,
         seen_sender = coalesce(given.seen_sender, t.seen_sender),
         seen_nonce = coalesce(given.seen_nonce, t.seen_nonce),
         evidence = coalesce(given.evidence, t.evidence),
         looks = ${withLook('t', 'given.look')}
    FROM given JOIN locked USING (id)
   WHERE t.id = given.id AND t.status = 'pending' AND t.retry_count = given.expected
  RETURNING t.id, given.expected`

async function recordWaits(db: Knex, waits: readonly Wait[]): Promise<boolean[]> {
  const rows = waits.map(
    ({ id, expectedRetryCount, retryCount, consecutiveErrors, delayMs, error, notes, look }) => ({
      id,
      expected: expectedRetryCount,
      retry_count: retryCount,
      consecutive_errors: consecutiveErrors,
      delay_ms: delayMs,
      error,
      seen_sender: notes.seen?.sender,
      seen_nonce: notes.seen?.nonce,
      evidence: notes.evidence ?? undefined,
      look: toStoredLook(look),
    }),
  )
  const recorded = await prepared<{ id: string; expected: number }>(db, 'confirmd-wait-1', UPDATE, {
    rows: JSON.stringify(rows),
    ids: waits.map(({ id }) => id),
  })
  const keys = new Set(recorded.map(({ id, expected }) => `${id} ${expected}`))
  return waits.map(({ id, expectedRetryCount }) => keys.has(`${id} ${expectedRetryCount}`))
}

export interface HandlerFailure {
  /** The count the row must still have. */
  readonly expectedAttempts: number
  readonly error: string
  readonly delayMs: number
  readonly park: boolean
  readonly look: Look
}

/**
 * Counts a business write that threw, and schedules the next try or parks the row. False if it moved on.
 * A receipt was there, so evidence of a replacement is void.
 */
export async function recordHandlerFailure(
  db: Knex,
  id: string,
  { expectedAttempts, error, delayMs, park, look }: HandlerFailure,
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
      looks: addedLook(db, look),
      updated_at: db.fn.now(),
    })
  return touched > 0
}

export interface OpenLook {
  /** The time of the next look that the row must still have. */
  readonly expectedNextCheckAt: Date | null
  readonly nextCheckInMs: number | null
  readonly error: string | null
  readonly notes: Notes
  readonly look: Look
}

/**
 * Notes a look that left a stalled or expired row as it is. Nothing if another look or a recheck came in
 * between: what that one asked for or found out is newer.
 */
export async function recordLook(
  db: Knex,
  id: string,
  { expectedNextCheckAt, nextCheckInMs, error, notes, look }: OpenLook,
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
      looks: addedLook(db, look),
      updated_at: db.fn.now(),
    })
}
