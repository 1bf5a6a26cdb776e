import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import { moveCursor } from './event-cursors.ts'
import { EVENT_COLUMNS, type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'

/**
 * Hands the next events that the exchange has not taken yet to `publish`, which says how many of the first of them
 * it has surely taken, and moves the cursor past these. The lock on the cursor is the lease: only one process
 * publishes at a time, which keeps the order, and when it dies its connection ends and the next one repeats what was
 * not marked. Returns how many were announced; none while another process is at it, which then looks again by itself.
 */
export async function announceNext(
  db: Knex,
  limit: number,
  publish: (events: readonly StoredEvent[]) => Promise<number>,
): Promise<number> {
  return db.transaction(async (trx) => {
    const rows = await prepared<EventRow>(trx, 'confirmd-next-events-1', NEXT, { limit })
    const events = firstOfEachTransaction(rows.map(toStoredEvent))
    if (events.length === 0) return 0
    const taken = await publish(events)
    const newest = events[taken - 1]?.sequence
    if (newest) await moveCursor(trx, 'announced', newest)
    return taken
  })
}

/**
 * If another process moved the cursor after this statement began, the locked value is the moved one, so nothing is
 * read twice; and numbers are committed in their order, so nothing is left out.
 */
const NEXT = `
  WITH locked AS MATERIALIZED (
    SELECT sequence FROM event_cursors AS c
     WHERE c.name = 'announced' AND EXISTS (SELECT 1 FROM outbox WHERE sequence > c.sequence)
       FOR UPDATE SKIP LOCKED
  )
  SELECT ${EVENT_COLUMNS}
    FROM locked
   CROSS JOIN LATERAL (
     SELECT * FROM outbox WHERE sequence > locked.sequence ORDER BY sequence LIMIT :limit
   ) AS o
   ORDER BY o.sequence`

/** Up to the first repeated transaction: its second event is published only when the first was surely taken. */
function firstOfEachTransaction(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const seen = new Set<string>()
  const end = events.findIndex(({ transactionId }) => {
    if (transactionId === null) return false
    if (seen.has(transactionId)) return true
    seen.add(transactionId)
    return false
  })
  return end === -1 ? events : events.slice(0, end)
}
