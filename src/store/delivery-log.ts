import type { Knex } from 'knex'
import type {
  Delivery,
  DeliveryAttempt,
  DeliveryFilter,
  DeliveryStatus,
  ReplayRange,
} from '../domain/webhook.ts'
import { raw } from './statement.ts'

interface DeliveryRow {
  readonly id: string
  readonly webhook_id: string
  readonly event_id: string
  readonly event_type: string
  readonly transaction_id: string | null
  readonly status: DeliveryStatus
  readonly log: {
    attempted_at: string
    duration_ms: number
    status_code: number | null
    error: string | null
  }[]
  readonly next_attempt_at: Date | null
  readonly delivered_at: Date | null
  readonly created_at: Date
}

/** Older ones are left out of what is shown. */
const MOST_ATTEMPTS = 20

const SELECT = `
  SELECT d.id, d.webhook_id, d.status, d.next_attempt_at, d.delivered_at, d.created_at, o.transaction_id,
         coalesce(o.id::text, d.test ->> 'id') AS event_id,
         'confirmd.' || coalesce(o.subject || '.' || o.status, 'webhook.test') || '.v1' AS event_type,
         (SELECT coalesce(json_agg(a ORDER BY a.id), '[]')
            FROM (SELECT * FROM :schema:.webhook_attempts WHERE delivery_id = d.id ORDER BY id DESC LIMIT ${MOST_ATTEMPTS}) AS a
         ) AS log
    FROM :schema:.webhook_deliveries AS d
    LEFT JOIN :schema:.outbox AS o ON o.position = d.position`

function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    webhookId: row.webhook_id,
    eventId: row.event_id,
    eventType: row.event_type,
    transactionId: row.transaction_id,
    status: row.status,
    attempts: row.log.map(toAttempt),
    nextAttemptAt: row.next_attempt_at,
    deliveredAt: row.delivered_at,
    createdAt: row.created_at,
  }
}

function toAttempt(row: DeliveryRow['log'][number]): DeliveryAttempt {
  return {
    attemptedAt: new Date(row.attempted_at),
    durationMs: row.duration_ms,
    statusCode: row.status_code,
    error: row.error,
  }
}

/** The newest first. */
export async function listDeliveries(db: Knex, filter: DeliveryFilter): Promise<Delivery[]> {
  const { webhookId, status, before, limit } = filter
  const { rows } = await raw<{ rows: DeliveryRow[] }>(
    db,
    `${SELECT}
      WHERE d.webhook_id = :webhookId
        AND (CAST(:status AS text) IS NULL OR d.status = :status)
        AND (CAST(:before AS bigint) IS NULL OR d.id < :before)
      ORDER BY d.id DESC LIMIT :limit`,
    { webhookId, status: status ?? null, before: before ?? null, limit },
  )
  return rows.map(toDelivery)
}

async function loadDelivery(db: Knex, id: string): Promise<Delivery | null> {
  const { rows } = await raw<{ rows: DeliveryRow[] }>(db, `${SELECT} WHERE d.id = :id`, { id })
  return rows[0] ? toDelivery(rows[0]) : null
}

const AGAIN = `status = 'pending', attempts = 0, next_attempt_at = now(), delivered_at = NULL`

/** Sends one again, from the start of the retry times. Null if the webhook has no such delivery. */
export async function replayDelivery(db: Knex, webhookId: string, id: string): Promise<Delivery | null> {
  const { rows } = await raw<{ rows: unknown[] }>(
    db,
    `UPDATE :schema:.webhook_deliveries SET ${AGAIN} WHERE id = :id
        AND webhook_id = (SELECT id FROM :schema:.webhooks WHERE id = :webhookId AND deleted_at IS NULL)
      RETURNING id`,
    { id, webhookId },
  )
  return rows.length > 0 ? loadDelivery(db, id) : null
}

/**
 * Sends the events of a time range that the webhook wants: those that failed, those from before it was created or
 * while it was switched off, and on demand those that were delivered. Returns how many. Null if there is no such webhook.
 */
export async function replayRange(db: Knex, webhookId: string, range: ReplayRange): Promise<number | null> {
  const { rows } = await raw<{ rows: { webhooks: number; replayed: number }[] }>(
    db,
    `WITH webhook AS (
       SELECT id, kinds, statuses FROM :schema:.webhooks WHERE id = :webhookId AND deleted_at IS NULL
     ), replayed AS (
       INSERT INTO :schema:.webhook_deliveries AS d (webhook_id, position)
       SELECT w.id, o.position
         FROM webhook AS w JOIN :schema:.outbox AS o
           ON o.created_at >= :from AND o.created_at < :to
          AND o.sequence IS NOT NULL AND o.subject = 'transaction'
          AND (w.kinds IS NULL OR o.kind = ANY(w.kinds))
          AND (w.statuses IS NULL OR o.status = ANY(w.statuses))
        ORDER BY o.sequence
       ON CONFLICT (webhook_id, position) DO UPDATE SET ${AGAIN}
        WHERE d.status = 'failed' OR (d.status = 'delivered' AND :delivered)
       RETURNING 1)
     SELECT (SELECT count(*)::int FROM webhook) AS webhooks, (SELECT count(*)::int FROM replayed) AS replayed`,
    { webhookId, from: range.from, to: range.to, delivered: range.delivered },
  )
  const [counted] = rows
  return counted && counted.webhooks > 0 ? counted.replayed : null
}

/** An event that is only for this webhook. Null if there is no such webhook. */
export async function addTestDelivery(
  db: Knex,
  webhookId: string,
  test: { id: string; data: object },
): Promise<Delivery | null> {
  const { rows } = await raw<{ rows: { id: string }[] }>(
    db,
    `INSERT INTO :schema:.webhook_deliveries (webhook_id, test)
     SELECT id, CAST(:test AS jsonb) FROM :schema:.webhooks WHERE id = :webhookId AND deleted_at IS NULL RETURNING id`,
    { webhookId, test: JSON.stringify(test) },
  )
  return rows[0] ? loadDelivery(db, rows[0].id) : null
}
