import type { Knex } from 'knex'
import { prepared } from './statement.ts'

export type WebhookCounts = {
  readonly enabled: number
  readonly disabled: number
  /** Enabled, and the last attempt failed. */
  readonly failing: number
  /** To webhooks that are enabled. */
  readonly deliveriesWaiting: number
}

export async function countWebhooks(db: Knex): Promise<WebhookCounts> {
  const [row] = await prepared<WebhookCounts>(
    db,
    'confirmd-count-webhooks-1',
    `SELECT count(*) FILTER (WHERE enabled)::int AS enabled,
            count(*) FILTER (WHERE NOT enabled)::int AS disabled,
            count(*) FILTER (WHERE enabled AND failing_since IS NOT NULL)::int AS failing,
            (SELECT count(*)::int FROM webhook_deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id
              WHERE d.status = 'pending' AND w.enabled) AS "deliveriesWaiting"
       FROM webhooks`,
    {},
  )
  return row ?? { enabled: 0, disabled: 0, failing: 0, deliveriesWaiting: 0 }
}
