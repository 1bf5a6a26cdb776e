import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import { EVENT_COLUMNS, type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'

export interface Advance {
  /** Most events to number. */
  readonly numberLimit: number
  /** Who asks for events to announce: the same id for as long as a relay lives. */
  readonly holder: string
  /** The newest event that the exchange has surely taken; null if there is none since the last call. */
  readonly taken: number | null
  /** The newest event that was handed out to the holder before and is under way; null if none is. */
  readonly handedOut: number | null
  /** Most events to announce; 0 gives the lease back. */
  readonly announceLimit: number
  /** After this without a word another relay takes the lease over, and repeats what was not marked. */
  readonly leaseMs: number
}

export interface Advanced {
  /** How many events got their numbers. */
  readonly numbered: number
  /** How many deliveries to webhooks there are of them. */
  readonly deliveries: number
  /**
   * The next events to announce, in their order. Null without the lease: there are none, or another relay has it.
   * With it there may be none all the same: they are under way, or another relay was faster, and then it is to be given
   * back.
   */
  readonly events: readonly StoredEvent[] | null
}

interface AdvancedRow {
  readonly numbered: number
  readonly deliveries: number
  readonly has_lease: boolean
}

/**
 * Takes the outbox a step on: numbers what was committed, with the deliveries of the webhooks that want it; marks what
 * the exchange has taken; and hands out the next events to announce.
 *
 * A position is given before the commit and may become visible after a later one; a number is given after it, by one
 * process at a time, so that whoever has read up to a number has missed nothing before it. One relay at a time has the
 * lease to announce, for as long as there are events, which keeps their order.
 */
export async function advance(db: Knex, given: Advance): Promise<Advanced> {
  const rows = await prepared<AdvancedRow & (EventRow | { id: null })>(db, 'confirmd-advance-1', ADVANCE, {
    ...given,
  })
  const [{ numbered, deliveries, has_lease: hasLease } = NOTHING] = rows
  const events = rows.filter((row): row is AdvancedRow & EventRow => row.id !== null).map(toStoredEvent)
  return { numbered, deliveries, events: hasLease ? events : null }
}

const NOTHING: AdvancedRow = { numbered: 0, deliveries: 0, has_lease: false }

/**
 * One statement, because under load each round trip is delay. It may have begun before another process committed its
 * numbers and got the lock after it: then its snapshot shows an older cursor than the locked one, and it numbers
 * nothing. So what it numbers follows on what its snapshot shows, and is announced at once with that. An idle relay
 * writes nothing: a cursor is touched only where there is something to do.
 */
const ADVANCE = `
  WITH locked AS MATERIALIZED (
    SELECT sequence FROM event_cursors
     WHERE name = 'numbered' AND EXISTS (SELECT 1 FROM outbox WHERE sequence IS NULL)
       FOR UPDATE SKIP LOCKED
  ), newest AS (
    SELECT locked.sequence FROM locked
     WHERE locked.sequence = (SELECT sequence FROM event_cursors WHERE name = 'numbered')
  ), next AS (
    SELECT position, row_number() OVER (ORDER BY position) AS place
      FROM (SELECT position FROM outbox WHERE sequence IS NULL ORDER BY position LIMIT :numberLimit) AS first
  ), numbered AS (
    UPDATE outbox AS o SET sequence = newest.sequence + next.place
      FROM next CROSS JOIN newest WHERE o.position = next.position
    RETURNING o.position, ${EVENT_COLUMNS}
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
  ), announced AS (
    UPDATE event_cursors AS c
       SET sequence = greatest(c.sequence, CAST(:taken AS bigint)),
           holder = CASE WHEN has_more THEN CAST(:holder AS uuid) END,
           held_until = CASE WHEN has_more THEN clock_timestamp() + :leaseMs * interval '1 millisecond' END,
           updated_at = now()
      FROM (
        SELECT :announceLimit > 0 AND (
          EXISTS (SELECT 1 FROM numbered) OR EXISTS (
            SELECT 1 FROM outbox
             WHERE sequence > greatest(
               CAST(:taken AS bigint), (SELECT sequence FROM event_cursors WHERE name = 'announced')))
        ) AS has_more
      ) AS found
     WHERE c.name = 'announced'
       AND (c.holder = CAST(:holder AS uuid) OR c.held_until IS NULL OR c.held_until < clock_timestamp())
       AND (has_more OR c.holder = CAST(:holder AS uuid))
    RETURNING c.sequence
  )
  SELECT counted.numbered, counted.deliveries, announced.sequence IS NOT NULL AS has_lease, o.*
    FROM (
      SELECT (SELECT count(*)::int FROM numbered) AS numbered, (SELECT count(*)::int FROM wanted) AS deliveries
    ) AS counted
    LEFT JOIN (SELECT greatest(sequence, CAST(:handedOut AS bigint)) AS sequence FROM announced) AS announced ON true
    LEFT JOIN LATERAL (
      SELECT * FROM (
        (SELECT ${EVENT_COLUMNS} FROM outbox AS o WHERE o.sequence > announced.sequence
          ORDER BY o.sequence LIMIT :announceLimit)
        UNION ALL
        SELECT ${EVENT_COLUMNS} FROM numbered AS o WHERE o.sequence > announced.sequence
      ) AS unannounced
      ORDER BY sequence LIMIT :announceLimit
    ) AS o ON true
   ORDER BY o.sequence`

/** Keeps the lease while the exchange takes its time. */
export async function keepLease(
  db: Knex,
  { holder, leaseMs }: Pick<Advance, 'holder' | 'leaseMs'>,
): Promise<void> {
  await prepared(
    db,
    'confirmd-keep-lease-1',
    `UPDATE event_cursors SET held_until = clock_timestamp() + :leaseMs * interval '1 millisecond'
      WHERE name = 'announced' AND holder = CAST(:holder AS uuid)`,
    { holder, leaseMs },
  )
}
