import type { Knex } from 'knex'
import { webhookDisabledEvent } from '../domain/event.ts'
import type { Webhook, WebhookChange, WebhookFields } from '../domain/webhook.ts'
import { insertEvents } from './outbox.ts'

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
    const [found] = await trx('webhooks').count<{ count: string }[]>('* as count')
    if (Number(found?.count) >= most) return null
    const [row] = await trx<WebhookRow & { secret: string }>('webhooks')
      .insert({ ...given, kinds: given.kinds && [...given.kinds] })
      .returning(COLUMNS)
    return row ? toWebhook(row) : null
  })
}

export async function listWebhooks(db: Knex): Promise<Webhook[]> {
  const rows = await db<WebhookRow>('webhooks').select(COLUMNS).orderBy('id')
  return rows.map(toWebhook)
}

export async function loadWebhook(db: Knex, id: string): Promise<Webhook | null> {
  const row = await db<WebhookRow>('webhooks').where({ id }).first(COLUMNS)
  return row ? toWebhook(row) : null
}

/** Null if there is none. What waits for one that is switched on again is due at once. */
export async function updateWebhook(db: Knex, id: string, change: WebhookChange): Promise<Webhook | null> {
  return db.transaction(async (trx) => {
    const { enabled, ...rest } = change
    const [row] = await trx('webhooks')
      .where({ id })
      .update({
        ...rest,
        ...(enabled === undefined ? {} : { enabled }),
        ...(enabled === true ? { disabled_reason: null, failing_since: null } : {}),
        updated_at: trx.fn.now(),
      })
      .returning(COLUMNS)
    if (row && enabled === true) {
      await trx('webhook_deliveries')
        .where({ webhook_id: id, status: 'pending' })
        .update({ next_attempt_at: trx.fn.now() })
    }
    return row ? toWebhook(row as WebhookRow) : null
  })
}

export async function deleteWebhook(db: Knex, id: string): Promise<boolean> {
  return (await db('webhooks').where({ id }).delete()) > 0
}

/** Until then both secrets sign. Null if there is no such webhook. */
export async function rotateSecret(
  db: Knex,
  id: string,
  { secret, overlapMs }: { secret: string; overlapMs: number },
): Promise<{ previousSecretUntil: Date } | null> {
  const { rows } = await db.raw<{ rows: { previous_secret_until: Date }[] }>(
    `UPDATE webhooks
        SET previous_secret = secret, secret = :secret, updated_at = now(),
            previous_secret_until = now() + :overlapMs * interval '1 millisecond'
      WHERE id = :id RETURNING previous_secret_until`,
    { id, secret, overlapMs },
  )
  return rows[0] ? { previousSecretUntil: rows[0].previous_secret_until } : null
}

/** Switches a webhook off, with an event, if nobody did before. */
export async function disableWebhook(trx: Knex.Transaction, id: string, reason: string): Promise<boolean> {
  const [row] = await trx<WebhookRow>('webhooks')
    .where({ id, enabled: true })
    .update({ enabled: false, disabled_reason: reason, updated_at: trx.fn.now() } as Partial<WebhookRow>)
    .returning(['id', 'url'])
  if (row) await insertEvents(trx, [webhookDisabledEvent({ id, url: row.url, reason })])
  return row !== undefined
}
