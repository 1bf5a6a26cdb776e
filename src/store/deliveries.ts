import type { Knex } from 'knex'
import type { StoredEvent } from '../domain/event.ts'
import type { AttemptDecision, DeliveryAttempt } from '../domain/webhook.ts'
import { type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'
import { disableWebhook } from './webhooks.ts'

/** A delivery that is due, with all that its request needs. */
export interface DueDelivery {
  readonly id: string
  readonly webhookId: string
  readonly url: string
  /** The newest first; all of them sign. */
  readonly secrets: readonly string[]
  /** How many there were before. */
  readonly attempts: number
  readonly failingSince: Date | null
  readonly event: StoredEvent
}

export interface DeliveryLease {
  /** Most of one webhook at a time; of one that fails only one, to see whether it is back. */
  readonly perWebhook: number
  /** How many this process has in hand, by webhook. */
  readonly inHand: Readonly<Record<string, number>>
  readonly limit: number
  /** They are due again after this, if their process dies. */
  readonly leaseMs: number
}

interface DueRow extends EventRow {
  readonly delivery_id: string
  readonly webhook_id: string
  readonly url: string
  readonly secrets: string[]
  readonly attempts: number
  readonly failing_since: Date | null
}

/** Takes due deliveries, of each webhook only so many that a slow one leaves room for the others. */
export async function leaseDeliveries(
  db: Knex,
  { perWebhook, inHand, limit, leaseMs }: DeliveryLease,
): Promise<DueDelivery[]> {
  const rows = await prepared<DueRow>(
    db,
    'confirmd-lease-deliveries-1',
    `WITH due AS (
       SELECT d.id
         FROM webhooks AS w
        CROSS JOIN LATERAL (
          SELECT id, next_attempt_at FROM webhook_deliveries
           WHERE webhook_id = w.id AND status = 'pending' AND next_attempt_at <= now()
           ORDER BY next_attempt_at
           LIMIT greatest(0,
             CASE WHEN w.failing_since IS NULL THEN CAST(:perWebhook AS integer) ELSE 1 END
               - coalesce(CAST(CAST(:inHand AS jsonb) ->> w.id::text AS integer), 0))
             FOR UPDATE SKIP LOCKED
        ) AS d
        WHERE w.enabled
        LIMIT :limit
     ), taken AS (
       UPDATE webhook_deliveries AS d
          SET next_attempt_at = clock_timestamp() + :leaseMs * interval '1 millisecond'
         FROM due WHERE d.id = due.id
       RETURNING d.id, d.webhook_id, d.position, d.test, d.attempts, d.created_at
     )
     SELECT t.id AS delivery_id, t.webhook_id, t.attempts, w.url, w.failing_since,
            CASE WHEN w.previous_secret_until > now() THEN ARRAY[w.secret, w.previous_secret]
                 ELSE ARRAY[w.secret] END AS secrets,
            ${DELIVERED_EVENT_COLUMNS}
       FROM taken AS t
       JOIN webhooks AS w ON w.id = t.webhook_id
       LEFT JOIN outbox AS o ON o.position = t.position
      ORDER BY t.id`,
    { perWebhook, inHand: JSON.stringify(inHand), limit, leaseMs },
  )
  return rows.map((row) => ({
    id: row.delivery_id,
    webhookId: row.webhook_id,
    url: row.url,
    secrets: row.secrets,
    attempts: row.attempts,
    failingSince: row.failing_since,
    event: toStoredEvent(row),
  }))
}

/** Of a delivery `t` and the event `o` that it is of; a test is its own event. */
const DELIVERED_EVENT_COLUMNS = `
  o.sequence, coalesce(o.id, CAST(t.test ->> 'id' AS uuid)) AS id, coalesce(o.subject, 'webhook') AS subject,
  o.transaction_id, coalesce(o.status, 'test') AS status, coalesce(o.kind, '') AS kind,
  coalesce(o.created_at, t.created_at) AS created_at, coalesce(o.data, t.test -> 'data') AS data`

export interface RecordedAttempt extends DeliveryAttempt {
  readonly deliveryId: string
  readonly webhookId: string
  readonly decision: AttemptDecision
}

/**
 * Writes an attempt to the log and what follows from it to the delivery and its webhook. Returns whether it switched
 * the webhook off.
 */
export async function recordAttempt(db: Knex, attempt: RecordedAttempt): Promise<boolean> {
  const { deliveryId, webhookId, decision, ...logged } = attempt
  return db.transaction(async (trx) => {
    const found = await prepared(
      trx,
      'confirmd-attempt-1',
      `WITH changed AS (
         UPDATE webhook_deliveries
            SET attempts = attempts + 1, status = :status,
                delivered_at = CASE WHEN :status = 'delivered' THEN now() END,
                next_attempt_at = CASE WHEN CAST(:nextAttemptInMs AS double precision) IS NOT NULL
                  THEN clock_timestamp() + :nextAttemptInMs * interval '1 millisecond' END
          WHERE id = :deliveryId AND status = 'pending'
         RETURNING id)
       INSERT INTO webhook_attempts (delivery_id, attempted_at, duration_ms, status_code, error)
       SELECT id, :attemptedAt, :durationMs, :statusCode, :error FROM changed
       RETURNING id`,
      {
        deliveryId,
        status: decision.status,
        nextAttemptInMs: decision.nextAttemptInMs,
        attemptedAt: logged.attemptedAt,
        durationMs: logged.durationMs,
        statusCode: logged.statusCode,
        error: logged.error,
      },
    )
    // Somebody else had the delivery after its lease, or it was deleted: their word counts.
    if (found.length === 0) return false
    await prepared(
      trx,
      'confirmd-failing-1',
      `UPDATE webhooks SET failing_since = CASE WHEN :failed THEN coalesce(failing_since, now()) END
        WHERE id = :webhookId AND (failing_since IS NULL) = :failed`,
      { webhookId, failed: decision.status !== 'delivered' },
    )
    return decision.disable !== null && (await disableWebhook(trx, webhookId, decision.disable))
  })
}
