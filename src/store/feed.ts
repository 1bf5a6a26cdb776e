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
  /** Only up to this number; null for no bound. */
  readonly until?: number | null
}

/** Events in the order of their numbers. */
export async function readEvents(
  db: Knex,
  chain: string,
  { after, limit, kind, status, until = null }: FeedQuery,
): Promise<StoredEvent[]> {
  // By the index of each, in the order of the numbers: what other chains have in between is not read.
  const part = (which: string) => `(
    SELECT ${EVENT_COLUMNS} FROM :schema:.outbox AS o
     WHERE ${which} AND o.sequence > :after AND o.sequence <= coalesce(CAST(:until AS bigint), 9223372036854775807)
       AND (CAST(:kind AS text) IS NULL OR o.kind = :kind)
       AND (CAST(:status AS text) IS NULL OR o.status = :status)
     ORDER BY o.sequence LIMIT :limit)`
  const rows = await prepared<EventRow>(
    db,
    'confirmd-read-events-3',
    `SELECT * FROM (${part('o.chain = :chain')} UNION ALL ${part('o.chain IS NULL')}) AS o
      ORDER BY o.sequence LIMIT :limit`,
    { chain, after, limit, kind: kind ?? null, status: status ?? null, until },
  )
  return rows.map(toStoredEvent)
}

/** The number of the last of so many events of the chain after a number; null if there are fewer. */
export async function endOfScan(
  db: Knex,
  chain: string,
  { after, events }: { after: number; events: number },
): Promise<number | null> {
  const rows = await prepared<{ sequence: string }>(
    db,
    'confirmd-end-of-scan-1',
    `SELECT sequence FROM :schema:.outbox WHERE chain = :chain AND sequence > :after
      ORDER BY sequence OFFSET :skipped LIMIT 1`,
    { chain, after, skipped: events - 1 },
  )
  return rows[0] ? Number(rows[0].sequence) : null
}
