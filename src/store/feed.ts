import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import { EVENT_COLUMNS, type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'

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
