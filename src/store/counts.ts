import type { Knex } from 'knex'
import { prepared } from './statement.ts'

export type TransactionCounts = {
  readonly pending: number
  readonly overdue: number
  readonly stalled: number
  readonly parked: number
}

/** Counts of what is not settled, from the partial indexes. */
export async function countOpen(db: Knex): Promise<TransactionCounts> {
  const { rows } = await db.raw<{ rows: Record<keyof TransactionCounts, string>[] }>(`
    SELECT
      (SELECT count(*) FROM transaction_history WHERE status = 'pending' AND parked_at IS NULL) AS pending,
      (SELECT count(*) FROM transaction_history
        WHERE status = 'pending' AND parked_at IS NULL AND next_check_at <= now()) AS overdue,
      (SELECT count(*) FROM transaction_history WHERE status = 'stalled' AND parked_at IS NULL) AS stalled,
      (SELECT count(*) FROM transaction_history WHERE parked_at IS NOT NULL) AS parked`)
  const row = rows[0]
  return {
    pending: Number(row?.pending ?? 0),
    overdue: Number(row?.overdue ?? 0),
    stalled: Number(row?.stalled ?? 0),
    parked: Number(row?.parked ?? 0),
  }
}

/** Events that are committed and on their way: to the exchange, if there is one, and to webhooks that are switched on. */
export async function countUnsent(
  db: Knex,
  { hasExchange }: { hasExchange: boolean },
): Promise<{ webhooks: number; exchange?: number }> {
  const { rows } = await db.raw<{ rows: { exchange: string; webhooks: string }[] }>(`
    SELECT
      (SELECT count(*) FROM outbox WHERE sequence IS NULL)
        + (SELECT max(sequence) FILTER (WHERE name = 'numbered') - max(sequence) FILTER (WHERE name = 'announced')
             FROM event_cursors) AS exchange,
      (SELECT count(*) FROM webhook_deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id
        WHERE d.status = 'pending' AND w.enabled) AS webhooks`)
  const row = rows[0]
  const webhooks = Number(row?.webhooks ?? 0)
  return hasExchange ? { webhooks, exchange: Number(row?.exchange ?? 0) } : { webhooks }
}

export interface WebhookCounts {
  readonly working: number
  /** Enabled, and the last attempt failed. */
  readonly failing: number
  /** By confirmd itself. */
  readonly 'switched-off': number
  readonly disabled: number
}

export async function countWebhooks(db: Knex): Promise<WebhookCounts> {
  const [row] = await prepared<WebhookCounts>(
    db,
    'confirmd-webhook-states-1',
    `SELECT count(*) FILTER (WHERE enabled AND failing_since IS NULL)::int AS working,
            count(*) FILTER (WHERE enabled AND failing_since IS NOT NULL)::int AS failing,
            count(*) FILTER (WHERE NOT enabled AND disabled_reason IS NOT NULL)::int AS "switched-off",
            count(*) FILTER (WHERE NOT enabled AND disabled_reason IS NULL)::int AS disabled
       FROM webhooks`,
    {},
  )
  return row ?? { working: 0, failing: 0, 'switched-off': 0, disabled: 0 }
}
