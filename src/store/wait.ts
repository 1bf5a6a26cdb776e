import type { Knex } from 'knex'
import type { Notes } from '../domain/finality.ts'
import type { Look } from '../domain/look.ts'
import { addedLook, toStoredLook, withLook } from './looks.ts'
import { noteColumns } from './notes.ts'
import { qualified } from './schema.ts'
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

/**
 * When the next check is due. `moved`: the row has moved on, or another copy schedules its check. `busy`: the row is
 * locked; nothing was written.
 */
export type WaitOutcome = { readonly nextCheckAt: Date } | 'moved' | 'busy'

export async function recordWaitsTogether(
  db: Knex,
  waits: readonly Wait[],
): Promise<PromiseSettledResult<WaitOutcome>[]> {
  return firstOfEach(
    waits,
    ({ id, expectedRetryCount }) => `${id} ${expectedRetryCount}`,
    () => 'moved',
    (firsts) => together(firsts, (each) => recordWaits(db, each)),
  )
}

/**
 * A row that somebody else has locked is passed over: it is being decided, and holds up no other. What is not noted keeps
 * its jsonb untouched.
 */
const UPDATE = `
  WITH given AS (
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
      id uuid, expected integer, retry_count integer, consecutive_errors integer, delay_ms double precision,
      error text, seen_sender text, seen_nonce bigint, evidence jsonb,
      look jsonb)
  ), locked AS (
    SELECT id FROM :schema:.transaction_history
     WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'pending'
     ORDER BY id
       FOR NO KEY UPDATE SKIP LOCKED
  ), recorded AS (
  UPDATE :schema:.transaction_history AS t
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
  RETURNING t.id, given.expected, t.next_check_at
  )
  SELECT given.id, given.expected, recorded.next_check_at, locked.id IS NULL AS passed_over
    FROM given LEFT JOIN recorded USING (id, expected) LEFT JOIN locked ON locked.id = given.id`

async function recordWaits(db: Knex, waits: readonly Wait[]): Promise<WaitOutcome[]> {
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
  const answers = await prepared<WaitRow>(db, 'confirmd-wait-3', UPDATE, {
    rows: JSON.stringify(rows),
    ids: waits.map(({ id }) => id),
  })
  const outcomes = new Map(answers.map((answer) => [`${answer.id} ${answer.expected}`, outcomeOf(answer)]))
  return waits.map(({ id, expectedRetryCount }) => outcomes.get(`${id} ${expectedRetryCount}`) ?? 'moved')
}

interface WaitRow {
  readonly id: string
  readonly expected: number
  /** Null if the wait was not recorded. */
  readonly next_check_at: Date | null
  /** Locked by somebody else, or not pending any more; a check that comes back finds out which. */
  readonly passed_over: boolean
}

function outcomeOf({ next_check_at: nextCheckAt, passed_over }: WaitRow): WaitOutcome {
  if (nextCheckAt) return { nextCheckAt }
  return passed_over ? 'busy' : 'moved'
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
 * Notes a check that left a row that is not pending as it is. Nothing if another look or a recheck came in
 * between: what that one asked for or found out is newer.
 */
export async function recordLook(
  db: Knex,
  id: string,
  { expectedNextCheckAt, nextCheckInMs, error, notes, look }: OpenLook,
): Promise<void> {
  await db(qualified(db, 'transaction_history'))
    .where({ id })
    .whereIn('status', ['stalled', 'expired', 'replaced'])
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
