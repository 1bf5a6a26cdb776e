import type { Knex } from 'knex'
import { webhookDisabledEvent } from '../domain/event.ts'
import type { Disabling, Webhook, WebhookChange, WebhookFields } from '../domain/webhook.ts'
import { insertEvents } from './outbox.ts'
import { qualified } from './schema.ts'
import { raw } from './statement.ts'
import { resumeDeliveries } from './webhook-work.ts'

export interface WebhookRow {
  readonly id: string
  readonly url: string
  readonly description: string
  readonly kinds: string[] | null
  readonly statuses: Webhook['statuses']
  readonly enabled: boolean
  readonly disabled_reason: string | null
  readonly failing_since: Date | null
  readonly created_at: Date
}

const COLUMNS = [
  ...[
    'id',
    'url',
    'description',
    'kinds',
    'statuses',
    'enabled',
    'disabled_reason',
    'failing_since',
    'created_at',
  ],
] as const satisfies (keyof WebhookRow)[]

function toWebhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    url: row.url,
    description: row.description,
    kinds: row.kinds,
    statuses: row.statuses,
    enabled: row.enabled,
    disabledReason: row.disabled_reason,
    failingSince: row.failing_since,
    createdAt: row.created_at,
  }
}

export interface NewWebhook extends WebhookFields, Pick<Webhook, 'id'> {
  readonly secret: string
}

/** Null if there are so many already. */
export async function createWebhook(db: Knex, given: NewWebhook, most: number): Promise<Webhook | null> {
  return db.transaction(async (trx) => {
    await trx.raw("SELECT pg_advisory_xact_lock(hashtextextended('confirmd webhooks', 0))")
    const [found] = await trx(qualified(trx, 'webhooks'))
      .whereNull('deleted_at')
      .count<{ count: string }[]>('* as count')
    if (Number(found?.count) >= most) return null
    const [row] = await trx<WebhookRow & { secret: string }>(qualified(trx, 'webhooks'))
      .insert({ ...given, kinds: given.kinds && [...given.kinds] })
      .returning(COLUMNS)
    return row ? toWebhook(row) : null
  })
}

export async function listWebhooks(db: Knex): Promise<Webhook[]> {
  const rows = await db<WebhookRow>(qualified(db, 'webhooks'))
    .whereNull('deleted_at')
    .select(COLUMNS)
    .orderBy('id')
  return rows.map(toWebhook)
}

export async function loadWebhook(db: Knex, id: string): Promise<Webhook | null> {
  const row = await db<WebhookRow>(qualified(db, 'webhooks'))
    .where({ id })
    .whereNull('deleted_at')
    .first(COLUMNS)
  return row ? toWebhook(row) : null
}

/**
 * Null if there is none. What waits for one that is switched on again is due at once: the first batch of it before this
 * resolves, the rest soon.
 */
export async function updateWebhook(db: Knex, id: string, change: WebhookChange): Promise<Webhook | null> {
  const resume = {
    ...{ disabled_reason: null, failing_since: null, resume_after: 0 },
    resume_until: db(qualified(db, 'webhook_deliveries')).where({ webhook_id: id }).max('id'),
  }
  const { enabled, ...rest } = change
  const [row] = await db(qualified(db, 'webhooks'))
    .where({ id })
    .whereNull('deleted_at')
    .update({
      ...rest,
      ...(enabled === undefined ? {} : { enabled }),
      ...(enabled === true ? resume : {}),
      updated_at: db.fn.now(),
    })
    .returning(COLUMNS)
  // Not in one transaction with the change: deliveries are locked before their webhook.
  if (row && enabled === true) await resumeDeliveries(db, id)
  return row ? toWebhook(row as WebhookRow) : null
}

/** Whether there was one. It gets nothing more from now on; its deliveries are deleted in batches afterwards. */
export async function deleteWebhook(db: Knex, id: string): Promise<boolean> {
  const deleted = await db(qualified(db, 'webhooks'))
    .where({ id })
    .whereNull('deleted_at')
    .update({ deleted_at: db.fn.now(), enabled: false, resume_after: null, resume_until: null })
  return deleted > 0
}

/** Until then both secrets sign. Null if there is no such webhook. */
export async function rotateSecret(
  db: Knex,
  id: string,
  { secret, overlapMs }: { secret: string; overlapMs: number },
): Promise<{ previousSecretUntil: Date } | null> {
  const { rows } = await raw<{ rows: { previous_secret_until: Date }[] }>(
    db,
    `UPDATE :schema:.webhooks
        SET previous_secret = secret, secret = :secret, updated_at = now(),
            previous_secret_until = now() + :overlapMs * interval '1 millisecond'
      WHERE id = :id AND deleted_at IS NULL RETURNING previous_secret_until`,
    { id, secret, overlapMs },
  )
  return rows[0] ? { previousSecretUntil: rows[0].previous_secret_until } : null
}

/**
 * Switches a webhook off, with an event, if nobody did before. It may have recovered since the decision was made: what
 * is switched off because it fails must still have failed since then, or earlier.
 */
export async function disableWebhook(
  trx: Knex.Transaction,
  id: string,
  { reason, failingSince }: Disabling,
): Promise<boolean> {
  const { rows } = await raw<{ rows: { url: string }[] }>(
    trx,
    `UPDATE :schema:.webhooks SET enabled = false, disabled_reason = :reason, updated_at = now()
      WHERE id = :id AND enabled
        AND (CAST(:failingSince AS timestamptz) IS NULL
          OR date_trunc('milliseconds', failing_since) <= CAST(:failingSince AS timestamptz))
      RETURNING url`,
    { id, reason, failingSince },
  )
  const [row] = rows
  if (row) await insertEvents(trx, [webhookDisabledEvent({ id, url: row.url, reason })])
  return row !== undefined
}
