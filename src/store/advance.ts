import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import { IN_OWN_EPOCH } from './epochs.ts'
import type { ExchangeOfChain } from './event-cursors.ts'
import { EVENT_COLUMNS, type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'

export interface Advance extends ExchangeOfChain {
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
  /** Whether numbers are given in the epoch of this database; where not, none are, until a new one begins. */
  readonly isInOwnEpoch: boolean
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
  readonly is_in_own_epoch: boolean
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
  const rows = await prepared<AdvancedRow & (EventRow | { id: null })>(db, 'confirmd-advance-2', ADVANCE, {
    ...given,
  })
  const [{ is_in_own_epoch: isInOwnEpoch, numbered, deliveries, has_lease: hasLease } = NOTHING] = rows
  const events = rows.filter((row): row is AdvancedRow & EventRow => row.id !== null).map(toStoredEvent)
  return { isInOwnEpoch, numbered, deliveries, events: hasLease ? events : null }
}

const NOTHING: AdvancedRow = { is_in_own_epoch: true, numbered: 0, deliveries: 0, has_lease: false }

/** Of the chain, or told with the events of every chain. */
const OF_CHAIN = '(chain = :chain OR chain IS NULL)'

/**
 * One statement, because under load each round trip is delay. It may have begun before another process committed its
 * numbers and got the lock after it: then its snapshot shows an older cursor than the locked one, and it numbers
 * nothing. So what it numbers follows on what its snapshot shows, and is announced at once with that. An idle relay
 * writes nothing: a cursor is touched only where there is something to do. Only the holder of the lease says what was
 * taken, and who has something under way does not become it: somebody may have asked for all of it again meanwhile.
 */
const ADVANCE = `
  WITH epoch AS MATERIALIZED (
    SELECT ${IN_OWN_EPOCH} AS is_own
  ), locked AS MATERIALIZED (
    SELECT sequence FROM :schema:.event_cursors
     WHERE name = 'numbered' AND (SELECT is_own FROM epoch) AND EXISTS (SELECT 1 FROM :schema:.outbox WHERE sequence IS NULL)
       FOR UPDATE SKIP LOCKED
  ), newest AS (
    SELECT locked.sequence FROM locked
     WHERE locked.sequence = (SELECT sequence FROM :schema:.event_cursors WHERE name = 'numbered')
  ), next AS (
    SELECT position, row_number() OVER (ORDER BY position) AS place
      FROM (SELECT position FROM :schema:.outbox WHERE sequence IS NULL ORDER BY position LIMIT :numberLimit) AS first
  ), numbered AS (
    UPDATE :schema:.outbox AS o SET sequence = newest.sequence + next.place
      FROM next CROSS JOIN newest WHERE o.position = next.position
    RETURNING o.position, o.chain, ${EVENT_COLUMNS}
  ), wanted AS (
    INSERT INTO :schema:.webhook_deliveries (webhook_id, position)
    SELECT w.id, numbered.position
      FROM numbered JOIN :schema:.webhooks AS w
        ON w.enabled AND numbered.subject = 'transaction'
       AND (w.kinds IS NULL OR numbered.kind = ANY(w.kinds))
       AND (w.statuses IS NULL OR numbered.status = ANY(w.statuses))
     ORDER BY numbered.position
    RETURNING 1
  ), moved AS (
    UPDATE :schema:.event_cursors
       SET sequence = sequence + (SELECT count(*) FROM numbered), updated_at = now()
     WHERE name = 'numbered' AND EXISTS (SELECT 1 FROM numbered)
  ), announced AS (
    UPDATE :schema:.event_cursors AS c
       SET sequence = greatest(c.sequence, found.taken),
           holder = CASE WHEN has_more THEN CAST(:holder AS uuid) END,
           held_until = CASE WHEN has_more THEN clock_timestamp() + :leaseMs * interval '1 millisecond' END,
           updated_at = now()
      FROM (
        SELECT own.taken, :announceLimit > 0 AND (
          EXISTS (SELECT 1 FROM numbered WHERE ${OF_CHAIN})
          OR EXISTS (SELECT 1 FROM :schema:.outbox WHERE chain = :chain AND sequence > greatest(own.taken, own.sequence))
          OR EXISTS (SELECT 1 FROM :schema:.outbox WHERE chain IS NULL AND sequence > greatest(own.taken, own.sequence))
        ) AS has_more
          FROM (
            SELECT sequence, CASE WHEN holder = CAST(:holder AS uuid) THEN CAST(:taken AS bigint) END AS taken
              FROM :schema:.event_cursors WHERE name = 'announced' AND prefix = :prefix AND chain = :chain
          ) AS own
      ) AS found
     WHERE c.name = 'announced' AND c.prefix = :prefix AND c.chain = :chain
       AND (c.holder = CAST(:holder AS uuid)
         OR ((c.held_until IS NULL OR c.held_until < clock_timestamp()) AND CAST(:handedOut AS bigint) IS NULL))
       AND (has_more OR c.holder = CAST(:holder AS uuid))
    RETURNING c.sequence
  )
  SELECT epoch.is_own AS is_in_own_epoch, counted.numbered, counted.deliveries, announced.sequence IS NOT NULL AS has_lease, o.*
    FROM (
      SELECT (SELECT count(*)::int FROM numbered) AS numbered, (SELECT count(*)::int FROM wanted) AS deliveries
    ) AS counted
    CROSS JOIN epoch
    LEFT JOIN (SELECT greatest(sequence, CAST(:handedOut AS bigint)) AS sequence FROM announced) AS announced ON true
    LEFT JOIN LATERAL (
      SELECT * FROM (
        (SELECT ${EVENT_COLUMNS} FROM :schema:.outbox AS o WHERE o.chain = :chain AND o.sequence > announced.sequence
          ORDER BY o.sequence LIMIT :announceLimit)
        UNION ALL
        (SELECT ${EVENT_COLUMNS} FROM :schema:.outbox AS o WHERE o.chain IS NULL AND o.sequence > announced.sequence
          ORDER BY o.sequence LIMIT :announceLimit)
        UNION ALL
        SELECT ${EVENT_COLUMNS} FROM numbered AS o WHERE ${OF_CHAIN} AND o.sequence > announced.sequence
      ) AS unannounced
      ORDER BY sequence LIMIT :announceLimit
    ) AS o ON true
   ORDER BY o.sequence`

/** Keeps the lease while the exchange takes its time. */
export async function keepLease(
  db: Knex,
  { prefix, chain, holder, leaseMs }: Pick<Advance, 'prefix' | 'chain' | 'holder' | 'leaseMs'>,
): Promise<void> {
  await prepared(
    db,
    'confirmd-keep-lease-2',
    `UPDATE :schema:.event_cursors SET held_until = clock_timestamp() + :leaseMs * interval '1 millisecond'
      WHERE name = 'announced' AND prefix = :prefix AND chain = :chain AND holder = CAST(:holder AS uuid)`,
    { prefix, chain, holder, leaseMs },
  )
}
