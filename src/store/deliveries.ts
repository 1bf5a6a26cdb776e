import type { Knex } from 'knex'
import { createBatch } from '../domain/batch.ts'
import type { AttemptDecision, DeliveryAttempt, DueDelivery } from '../domain/webhook.ts'
import { type EventRow, toStoredEvent } from './outbox.ts'
import { prepared } from './statement.ts'
import { together } from './together.ts'
import { disableWebhook } from './webhooks.ts'

export interface DeliveryLease {
  /** Most of one webhook at a time; of one that fails only one, to see whether it is back. */
  readonly perWebhook: number
  /** How many this process has in hand, by webhook. */
  readonly inHand: Readonly<Record<string, number>>
  /** Most in all, but for those of which this process has none in hand: each of them may have its first. */
  readonly room: number
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

/**
 * Takes due deliveries: those first of whose webhook the fewest are in hand. However many are slow, all others have
 * their share.
 */
export async function leaseDeliveries(
  db: Knex,
  { perWebhook, inHand, room, leaseMs }: DeliveryLease,
): Promise<DueDelivery[]> {
  const rows = await prepared<DueRow>(
    db,
    'confirmd-lease-deliveries-1',
    `WITH webhook AS (
       SELECT id, CASE WHEN failing_since IS NULL THEN CAST(:perWebhook AS integer) ELSE 1 END AS most,
              coalesce(CAST(CAST(:inHand AS jsonb) ->> id::text AS integer), 0) AS held
         FROM :schema:.webhooks WHERE enabled
     ), candidate AS (
       SELECT d.id, w.held + row_number() OVER (PARTITION BY w.id ORDER BY d.next_attempt_at) AS rank
         FROM webhook AS w
        CROSS JOIN LATERAL (
          SELECT id, next_attempt_at FROM :schema:.webhook_deliveries
           WHERE webhook_id = w.id AND status = 'pending' AND next_attempt_at <= now()
           ORDER BY next_attempt_at
           LIMIT greatest(0, w.most - w.held)
             FOR UPDATE SKIP LOCKED
        ) AS d
     ), due AS (
       SELECT id FROM candidate WHERE rank = 1
       UNION
       (SELECT id FROM candidate ORDER BY rank LIMIT :room)
     ), taken AS (
       UPDATE :schema:.webhook_deliveries AS d
          SET next_attempt_at = clock_timestamp() + :leaseMs * interval '1 millisecond'
         FROM due WHERE d.id = due.id
       RETURNING d.id, d.webhook_id, d.position, d.test, d.attempts, d.created_at
     )
     SELECT t.id AS delivery_id, t.webhook_id, t.attempts, w.url, w.failing_since,
            CASE WHEN w.previous_secret_until > now() THEN ARRAY[w.secret, w.previous_secret]
                 ELSE ARRAY[w.secret] END AS secrets,
            ${DELIVERED_EVENT_COLUMNS}
       FROM taken AS t
       JOIN :schema:.webhooks AS w ON w.id = t.webhook_id
       LEFT JOIN :schema:.outbox AS o ON o.position = t.position
      ORDER BY t.id`,
    { perWebhook, inHand: JSON.stringify(inHand), room, leaseMs },
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
  o.transaction_id, coalesce(o.status, 'test') AS status, coalesce(o.kind, '') AS kind, o.trace_parent,
  coalesce(o.created_at, t.created_at) AS created_at, coalesce(o.data, t.test -> 'data') AS data`

export interface RecordedAttempt extends DeliveryAttempt {
  readonly deliveryId: string
  readonly webhookId: string
  readonly decision: AttemptDecision
}

/** Bounds what one statement that fails has to do again. */
const MAX_ATTEMPTS = 200

/**
 * Writes an attempt to the log and what follows from it to the delivery and its webhook; attempts that end together
 * share a statement. Resolves with whether it switched the webhook off.
 */
export function createRecordAttempt(db: Knex): (attempt: RecordedAttempt) => Promise<boolean> {
  return createBatch({
    maxItems: MAX_ATTEMPTS,
    maxRunning: 1,
    run: (attempts: readonly RecordedAttempt[]) =>
      together(attempts, (some) => db.transaction((trx) => recordAttempts(trx, some))),
  })
}

async function recordAttempts(
  trx: Knex.Transaction,
  attempts: readonly RecordedAttempt[],
): Promise<boolean[]> {
  const rows = attempts.map(({ deliveryId, webhookId, decision, ...logged }) => ({
    delivery_id: deliveryId,
    webhook_id: webhookId,
    status: decision.status,
    next_attempt_in_ms: decision.nextAttemptInMs,
    attempted_at: logged.attemptedAt,
    duration_ms: logged.durationMs,
    status_code: logged.statusCode,
    error: logged.error,
    may_disable: decision.disable !== null,
  }))
  const recorded = await prepared<{ id: string }>(trx, 'confirmd-attempts-2', RECORD, {
    rows: JSON.stringify(rows),
  })
  const known = new Set(recorded.map(({ id }) => id))
  const disabled = new Set<string>()
  for (const { deliveryId, webhookId, decision } of inOrderOfWebhooks(attempts)) {
    const disabling = known.has(deliveryId) ? decision.disable : null
    if (disabling && (await disableWebhook(trx, webhookId, disabling))) disabled.add(deliveryId)
  }
  return attempts.map(({ deliveryId }) => disabled.has(deliveryId))
}

function inOrderOfWebhooks(attempts: readonly RecordedAttempt[]): readonly RecordedAttempt[] {
  return attempts.toSorted((a, b) => (a.webhookId < b.webhookId ? -1 : 1))
}

/**
 * Only of deliveries that still wait: if somebody else had one after its lease, or it was deleted, their word counts.
 * A webhook of which one attempt succeeded is not failing, whatever became of the others beside it. Deliveries are locked
 * before webhooks, and each in the order of their ids.
 */
const RECORD = `
  WITH given AS (
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
      delivery_id bigint, webhook_id uuid, status text, next_attempt_in_ms double precision,
      attempted_at timestamptz, duration_ms integer, status_code integer, error text, may_disable boolean)
  ), locked AS MATERIALIZED (
    SELECT d.id FROM :schema:.webhook_deliveries AS d
     WHERE d.id IN (SELECT delivery_id FROM given) AND d.status = 'pending'
     ORDER BY d.id
       FOR NO KEY UPDATE
  ), changed AS (
    UPDATE :schema:.webhook_deliveries AS d
       SET attempts = d.attempts + 1, status = g.status,
           delivered_at = CASE WHEN g.status = 'delivered' THEN now() END,
           next_attempt_at = clock_timestamp() + g.next_attempt_in_ms * interval '1 millisecond'
      FROM given AS g JOIN locked ON locked.id = g.delivery_id
     WHERE d.id = g.delivery_id AND d.status = 'pending'
    RETURNING d.id
  ), logged AS (
    INSERT INTO :schema:.webhook_attempts (delivery_id, attempted_at, duration_ms, status_code, error)
    SELECT g.delivery_id, g.attempted_at, g.duration_ms, g.status_code, g.error
      FROM given AS g JOIN changed ON changed.id = g.delivery_id
  ), outcomes AS (
    SELECT g.webhook_id, NOT bool_or(g.status = 'delivered') AS failed, bool_or(g.may_disable) AS may_disable
      FROM given AS g JOIN changed ON changed.id = g.delivery_id
     GROUP BY g.webhook_id
  ), concerned AS MATERIALIZED (
    SELECT w.id FROM :schema:.webhooks AS w JOIN outcomes AS o ON o.webhook_id = w.id
     WHERE (w.failing_since IS NULL) = o.failed OR o.may_disable
     ORDER BY w.id
       FOR NO KEY UPDATE OF w
  ), noted AS (
    UPDATE :schema:.webhooks AS w
       SET failing_since = CASE WHEN o.failed THEN coalesce(w.failing_since, now()) END
      FROM outcomes AS o JOIN concerned ON concerned.id = o.webhook_id
     WHERE w.id = o.webhook_id AND (w.failing_since IS NULL) = o.failed
  )
  SELECT id FROM changed`
