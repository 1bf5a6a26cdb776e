import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import { EVENT_COLUMNS, type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'

export interface AnnounceLease {
  /** Who asks: the same id for as long as a relay lives. */
  readonly holder: string
  /** The newest event that the exchange has surely taken; null if there is none since the last call. */
  readonly taken: number | null
  /** 0 gives the lease back. */
  readonly limit: number
  /** After this without a word another one takes over, and repeats what was not marked. */
  readonly leaseMs: number
}

/**
 * Marks what the exchange has taken and hands out the next events, in their order. One relay at a time has the lease,
 * for as long as there are events. Null without it: there are none, or another relay has it. With it there may be
 * none all the same, if another one was faster; then it is to be given back. One statement, because under load each
 * round trip is delay.
 */
export async function nextEvents(
  db: Knex,
  { holder, taken, limit, leaseMs }: AnnounceLease,
): Promise<StoredEvent[] | null> {
  const given = { holder, taken, limit, leaseMs }
  const rows = await prepared<EventRow | { id: null }>(db, 'confirmd-next-events-1', NEXT, given)
  if (rows.length === 0) return null
  return firstOfEachTransaction(rows.filter((row): row is EventRow => row.id !== null).map(toStoredEvent))
}

/** An idle relay writes nothing: the cursor is touched only where there is something to mark or to hand out. */
const NEXT = `
  WITH cursor AS (
    UPDATE event_cursors AS c
       SET sequence = greatest(c.sequence, CAST(:taken AS bigint)),
           holder = CASE WHEN left_over THEN CAST(:holder AS uuid) END,
           held_until = CASE WHEN left_over THEN clock_timestamp() + :leaseMs * interval '1 millisecond' END,
           updated_at = now()
      FROM (
        SELECT :limit > 0 AND EXISTS (
          SELECT 1 FROM outbox
           WHERE sequence > greatest(CAST(:taken AS bigint), (SELECT sequence FROM event_cursors WHERE name = 'announced'))
        ) AS left_over
      ) AS found
     WHERE c.name = 'announced'
       AND (c.holder = CAST(:holder AS uuid) OR c.held_until IS NULL OR c.held_until < clock_timestamp())
       AND (left_over OR c.holder = CAST(:holder AS uuid))
    RETURNING c.sequence
  )
  SELECT ${EVENT_COLUMNS}
    FROM cursor
    LEFT JOIN LATERAL (
     SELECT * FROM outbox WHERE sequence > cursor.sequence ORDER BY sequence LIMIT :limit
   ) AS o ON true
   ORDER BY o.sequence`

/** Keeps the lease while the exchange takes its time. */
export async function keepLease(
  db: Knex,
  { holder, leaseMs }: Pick<AnnounceLease, 'holder' | 'leaseMs'>,
): Promise<void> {
  await prepared(
    db,
    'confirmd-keep-lease-1',
    `UPDATE event_cursors SET held_until = clock_timestamp() + :leaseMs * interval '1 millisecond'
      WHERE name = 'announced' AND holder = CAST(:holder AS uuid)`,
    { holder, leaseMs },
  )
}

/** Up to the first repeated transaction: its second event is published only when the first was surely taken. */
function firstOfEachTransaction(events: StoredEvent[]): StoredEvent[] {
  const seen = new Set<string>()
  const end = events.findIndex(({ transactionId }) => {
    if (transactionId === null) return false
    if (seen.has(transactionId)) return true
    seen.add(transactionId)
    return false
  })
  return end === -1 ? events : events.slice(0, end)
}
