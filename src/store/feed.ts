import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import { lockCursor, moveCursor } from './event-cursors.ts'
import { EVENT_COLUMNS, type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'

/**
 * Gives committed events their numbers, and each webhook that wants them its deliveries. A position is given before
 * the commit and may become visible after a later one; a number is given after it, by one process at a time, so
 * that whoever has read up to a number has missed nothing before it. Returns how many there were, up to `limit`.
 */
export async function numberEvents(db: Knex, limit: number): Promise<number> {
  if (!(await hasUnnumbered(db))) return 0
  return db.transaction(async (trx) => {
    const last = await lockCursor(trx, 'numbered', { wait: true })
    if (last === null) throw new Error("event_cursors lacks the row 'numbered'; run 'confirmd migrate'")
    // After the lock, so that its snapshot has what the one before has numbered.
    const rows = await prepared<{ numbered: number }>(
      trx,
      'confirmd-number-events-1',
      `WITH next AS (
         SELECT position, row_number() OVER (ORDER BY position) AS place
           FROM (SELECT position FROM outbox WHERE sequence IS NULL ORDER BY position LIMIT :limit) AS first
       ), numbered AS (
         UPDATE outbox AS o SET sequence = CAST(:last AS bigint) + next.place
           FROM next WHERE o.position = next.position
         RETURNING o.position, o.subject, o.kind, o.status
       ), wanted AS (
         INSERT INTO webhook_deliveries (webhook_id, position)
         SELECT w.id, numbered.position
           FROM numbered JOIN webhooks AS w
             ON w.enabled AND numbered.subject = 'transaction'
            AND (w.kinds IS NULL OR numbered.kind = ANY(w.kinds))
            AND (w.statuses IS NULL OR numbered.status = ANY(w.statuses))
          ORDER BY numbered.position
       )
       SELECT count(*)::int AS numbered FROM numbered`,
      { limit, last },
    )
    const count = rows[0]?.numbered ?? 0
    await moveCursor(trx, 'numbered', last + count)
    return count
  })
}

async function hasUnnumbered(db: Knex): Promise<boolean> {
  const rows = await prepared(
    db,
    'confirmd-unnumbered-1',
    'SELECT 1 FROM outbox WHERE sequence IS NULL LIMIT 1',
    {},
  )
  return rows.length > 0
}

export interface FeedQuery {
  /** Only what comes after this number. */
  readonly after: number
  readonly limit: number
  readonly kind?: string | undefined
  readonly status?: string | undefined
}

/** Events in the order of their numbers. */
export async function readEvents(
  db: Knex,
  { after, limit, kind, status }: FeedQuery,
): Promise<StoredEvent[]> {
  const rows = await prepared<EventRow>(
    db,
    'confirmd-read-events-1',
    `SELECT ${EVENT_COLUMNS} FROM outbox AS o
      WHERE o.sequence > :after
        AND (CAST(:kind AS text) IS NULL OR o.kind = :kind)
        AND (CAST(:status AS text) IS NULL OR o.status = :status)
      ORDER BY o.sequence LIMIT :limit`,
    { after, limit, kind: kind ?? null, status: status ?? null },
  )
  return rows.map(toStoredEvent)
}
