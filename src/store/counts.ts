import type { Knex } from 'knex'
import type { ExchangeOfChain } from './event-cursors.ts'
import { prepared } from './statement.ts'

export type TransactionCounts = {
  readonly pending: number
  readonly overdue: number
  readonly stalled: number
  readonly parked: number
}

/** Counts of what is not settled, from the partial indexes. */
export async function countOpen(db: Knex, chain: string): Promise<TransactionCounts> {
  const [row] = await prepared<Record<keyof TransactionCounts, string>>(
    db,
    'confirmd-count-open-1',
    `SELECT
      (SELECT count(*) FROM :schema:.transaction_history
        WHERE chain = :chain AND status = 'pending' AND parked_at IS NULL) AS pending,
      (SELECT count(*) FROM :schema:.transaction_history
        WHERE chain = :chain AND status = 'pending' AND parked_at IS NULL AND next_check_at <= now()) AS overdue,
      (SELECT count(*) FROM :schema:.transaction_history
        WHERE chain = :chain AND status = 'stalled' AND parked_at IS NULL AND next_check_at IS NOT NULL) AS stalled,
      (SELECT count(*) FROM :schema:.transaction_history WHERE chain = :chain AND parked_at IS NOT NULL) AS parked`,
    { chain },
  )
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
  exchange: ExchangeOfChain | null,
): Promise<{ webhooks: number; exchange?: number }> {
  const [row] = await prepared<{ exchange: string; webhooks: string }>(
    db,
    'confirmd-count-unsent-1',
    `SELECT
      (SELECT count(*) FROM :schema:.outbox WHERE sequence IS NULL AND (chain = :chain OR chain IS NULL))
        + (SELECT count(*) FROM :schema:.outbox AS o JOIN :schema:.event_cursors AS c
               ON c.name = 'announced' AND c.prefix = :prefix AND c.chain = :chain AND o.sequence > c.sequence
            WHERE o.chain = :chain OR o.chain IS NULL) AS exchange,
      (SELECT count(*) FROM :schema:.webhook_deliveries AS d JOIN :schema:.webhooks AS w ON w.id = d.webhook_id
        WHERE d.status = 'pending' AND w.enabled) AS webhooks`,
    { prefix: exchange?.prefix ?? '', chain: exchange?.chain ?? '' },
  )
  const webhooks = Number(row?.webhooks ?? 0)
  return exchange ? { webhooks, exchange: Number(row?.exchange ?? 0) } : { webhooks }
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
    'confirmd-webhook-states-2',
    `SELECT count(*) FILTER (WHERE enabled AND failing_since IS NULL)::int AS working,
            count(*) FILTER (WHERE enabled AND failing_since IS NOT NULL)::int AS failing,
            count(*) FILTER (WHERE NOT enabled AND disabled_reason IS NOT NULL)::int AS "switched-off",
            count(*) FILTER (WHERE NOT enabled AND disabled_reason IS NULL)::int AS disabled
       FROM :schema:.webhooks WHERE deleted_at IS NULL`,
    {},
  )
  return row ?? { working: 0, failing: 0, 'switched-off': 0, disabled: 0 }
}
