import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import { EVENT_COLUMNS, type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'

/**
 * Gives committed events their numbers, and each webhook that wants them its deliveries. A position is given before
 * the commit and may become visible after a later one; a number is given after it, by one process at a time, so
 * that whoever has read up to a number has missed nothing before it. Takes up to `limit` at a time, and none
 * while another process is at it, which then looks again by itself.
 */
export async function numberEvents(db: Knex, limit: number): Promise<Numbered> {
  const [row] = await prepared<Numbered>(db, 'confirmd-number-events-1', NUMBER, { limit })
  return row ?? { events: 0, deliveries: 0 }
}

/** How many events got their numbers, and how many deliveries to webhooks there are of them. */
export interface Numbered {
  readonly events: number
  readonly deliveries: number
}

/**
 * One statement, because under load each round trip is delay. It may have begun before another process committed
 * its numbers and got the lock after it: then its snapshot shows an older cursor than the locked one, and it does
 * nothing.
 */
const NUMBER = `
  WITH locked AS MATERIALIZED (
    SELECT sequence FROM event_cursors
     WHERE name = 'numbered' AND EXISTS (SELECT 1 FROM outbox WHERE sequence IS NULL)
       FOR UPDATE SKIP LOCKED
  ), newest AS (
    SELECT locked.sequence FROM locked
     WHERE locked.sequence = (SELECT sequence FROM event_cursors WHERE name = 'numbered')
  ), next AS (
    SELECT position, row_number() OVER (ORDER BY position) AS place
      FROM (SELECT position FROM outbox WHERE sequence IS NULL ORDER BY position LIMIT :limit) AS first
  ), numbered AS (
    UPDATE outbox AS o SET sequence = newest.sequence + next.place
      FROM next CROSS JOIN newest WHERE o.position = next.position
    RETURNING o.position, o.subject, o.kind, o.status
  ), wanted AS (
    INSERT INTO webhook_deliveries (webhook_id, position)
    SELECT w.id, numbered.position
      FROM numbered JOIN webhooks AS w
        ON w.enabled AND numbered.subject = 'transaction'
       AND (w.kinds IS NULL OR numbered.kind = ANY(w.kinds))
       AND (w.statuses IS NULL OR numbered.status = ANY(w.statuses))
     ORDER BY numbered.position
    RETURNING 1
  ), moved AS (
    UPDATE event_cursors
       SET sequence = sequence + (SELECT count(*) FROM numbered), updated_at = now()
     WHERE name = 'numbered' AND EXISTS (SELECT 1 FROM numbered)
  )
  SELECT (SELECT count(*)::int FROM numbered) AS events, (SELECT count(*)::int FROM wanted) AS deliveries`

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
