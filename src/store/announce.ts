import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import { lockCursor, moveCursor } from './event-cursors.ts'
import { readEvents } from './feed.ts'

/**
 * Hands the next events that the exchange has not taken yet to `publish`, which says how many of the first of them
 * it has surely taken, and moves the cursor past these. The lock on the cursor is the lease: only one process
 * publishes at a time, which keeps the order, and when it dies its connection ends and the next one repeats what was
 * not marked. Returns how many were announced, or 'busy' while another process has the lease.
 */
export async function announceNext(
  db: Knex,
  limit: number,
  publish: (events: readonly StoredEvent[]) => Promise<number>,
): Promise<number | 'busy'> {
  return db.transaction(async (trx) => {
    const last = await lockCursor(trx, 'announced', { wait: false })
    if (last === null) return 'busy'
    const events = firstOfEachTransaction(await readEvents(trx, { after: last, limit }))
    if (events.length === 0) return 0
    const taken = await publish(events)
    const newest = events[taken - 1]?.sequence
    if (newest) await moveCursor(trx, 'announced', newest)
    return taken
  })
}

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
