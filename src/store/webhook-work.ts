import type { Knex } from 'knex'
import { againAfterDeadlock } from './deadlock.ts'
import { qualified } from './schema.ts'
import { raw } from './statement.ts'

/** Bounds what one statement changes, whatever a webhook has. */
const BATCH_SIZE = 1_000

/** What is left of the work on deleted and resumed webhooks after a batch. */
export interface WebhookWork {
  /** Whether there is more to do. False also where another process does it. */
  readonly more: boolean
  /** Deliveries that were deleted or made due. */
  readonly deliveries: number
}

const NOTHING: WebhookWork = { more: false, deliveries: 0 }

/**
 * Does a batch of what a deletion or a resumption left to be done, for one webhook; one process at a time. Everything that
 * locks deliveries and webhooks locks the deliveries first, in the order of their ids.
 */
export async function workOnWebhooks(db: Knex): Promise<WebhookWork> {
  return againAfterDeadlock(() =>
    db.transaction(async (trx) => {
      const { rows } = await trx.raw<{ rows: { taken: boolean }[] }>(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('confirmd webhook work', 0)) AS taken",
      )
      if (!rows[0]?.taken) return NOTHING
      const resumed = await trx(qualified(trx, 'webhooks'))
        .whereNotNull('resume_until')
        .orderBy('id')
        .first('id')
      if (resumed) return resumeBatch(trx, resumed.id)
      const deleted = await trx(qualified(trx, 'webhooks'))
        .whereNotNull('deleted_at')
        .orderBy('id')
        .first('id')
      return deleted ? deleteBatch(trx, deleted.id) : NOTHING
    }),
  )
}

/** The first batch at once, so that nobody waits for it. */
export async function resumeDeliveries(db: Knex, webhookId: string): Promise<void> {
  await againAfterDeadlock(() => db.transaction((trx) => resumeBatch(trx, webhookId)))
}

/** Makes the next pending deliveries of a webhook that was switched on due, in the order in which they were made. */
async function resumeBatch(trx: Knex.Transaction, webhookId: string): Promise<WebhookWork> {
  const { rows } = await raw<{
    rows: { resume_after: string; resume_until: string; last: string | null }[]
  }>(
    trx,
    `SELECT w.resume_after, w.resume_until, (
       SELECT max(id) FROM (
         SELECT id FROM :schema:.webhook_deliveries
          WHERE webhook_id = w.id AND id > w.resume_after AND id <= w.resume_until
          ORDER BY id LIMIT ${BATCH_SIZE}) AS batch) AS last
       FROM :schema:.webhooks AS w WHERE w.id = :webhookId AND w.resume_until IS NOT NULL`,
    { webhookId },
  )
  const [range] = rows
  if (!range) return NOTHING
  const { resume_after: after, resume_until: until, last } = range
  const isLast = last === null || last === until
  const changed = last === null ? 0 : await makeDue(trx, { webhookId, after, last })
  // It may have been switched off and on again meanwhile; then that counts.
  await trx(qualified(trx, 'webhooks'))
    .where({ id: webhookId, resume_after: after, resume_until: until })
    .update(isLast ? { resume_after: null, resume_until: null } : { resume_after: last })
  return { more: true, deliveries: changed }
}

async function makeDue(
  trx: Knex.Transaction,
  range: { webhookId: string; after: string; last: string },
): Promise<number> {
  const { rowCount } = await raw<{ rowCount: number }>(
    trx,
    `UPDATE :schema:.webhook_deliveries SET next_attempt_at = now()
      WHERE id IN (
        SELECT id FROM :schema:.webhook_deliveries
         WHERE webhook_id = :webhookId AND status = 'pending' AND id > :after AND id <= :last
         ORDER BY id
           FOR NO KEY UPDATE)`,
    range,
  )
  return rowCount
}

/** Deletes the next deliveries of a deleted webhook with their attempts, and after the last of them the webhook. */
async function deleteBatch(trx: Knex.Transaction, webhookId: string): Promise<WebhookWork> {
  const { rows } = await raw<{ rows: { deleted: number; last: string | null }[] }>(
    trx,
    `WITH deleted AS (
       DELETE FROM :schema:.webhook_deliveries
        WHERE id IN (
          SELECT d.id FROM :schema:.webhook_deliveries AS d JOIN :schema:.webhooks AS w ON w.id = d.webhook_id
           WHERE d.webhook_id = :webhookId AND d.id > coalesce(w.resume_after, 0)
           ORDER BY d.id LIMIT ${BATCH_SIZE}
             FOR UPDATE OF d)
       RETURNING id)
     SELECT count(*)::int AS deleted, max(id) AS last FROM deleted`,
    { webhookId },
  )
  const { deleted = 0, last = null } = rows[0] ?? {}
  if (last === null) await trx(qualified(trx, 'webhooks')).where({ id: webhookId }).delete()
  // Under an old snapshot what was deleted stays in the index, and each batch would pass it anew.
  else await trx(qualified(trx, 'webhooks')).where({ id: webhookId }).update({ resume_after: last })
  return { more: true, deliveries: deleted }
}
