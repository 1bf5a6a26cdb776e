import type { Knex } from 'knex'
import type { TransactionEventView } from '../domain/transaction-event.ts'
import type { ExchangeOfChain } from './event-cursors.ts'
import { prepared } from './statement.ts'

interface EventOfTransactionRow {
  readonly sequence: string | null
  readonly id: string
  readonly status: string
  readonly at: Date
  readonly announced: boolean | null
  readonly deliveries: TransactionEventView['deliveries']
}

/** The events of a transaction, the oldest first, with what webhooks were sent of them. */
export async function listTransactionEvents(
  db: Knex,
  transactionId: string,
  exchange: ExchangeOfChain | null,
): Promise<TransactionEventView[]> {
  const rows = await prepared<EventOfTransactionRow>(
    db,
    'confirmd-transaction-events-2',
    `SELECT o.sequence, o.id, o.status, o.created_at AS at,
            CASE WHEN :hasExchange THEN
              coalesce(o.sequence <= (SELECT sequence FROM :schema:.event_cursors
                                     WHERE name = 'announced' AND prefix = :prefix AND chain = o.chain), false)
            END AS announced,
            (SELECT coalesce(json_agg(json_build_object(
                      'id', d.id::text, 'webhookId', d.webhook_id, 'url', w.url, 'status', d.status,
                      'attempts', d.attempts, 'lastStatusCode', last.status_code, 'lastError', last.error,
                      'nextAttemptAt', d.next_attempt_at) ORDER BY d.id), '[]')
               FROM :schema:.webhook_deliveries AS d
               JOIN :schema:.webhooks AS w ON w.id = d.webhook_id AND w.deleted_at IS NULL
               LEFT JOIN LATERAL (
                 SELECT status_code, error FROM :schema:.webhook_attempts WHERE delivery_id = d.id ORDER BY id DESC LIMIT 1
               ) AS last ON true
              WHERE d.position = o.position) AS deliveries
       FROM :schema:.outbox AS o
      WHERE o.transaction_id = :transactionId
      ORDER BY o.position`,
    { transactionId, hasExchange: exchange !== null, prefix: exchange?.prefix ?? '' },
  )
  return rows.map(({ sequence, at, deliveries, ...row }) => ({
    ...row,
    sequence: sequence === null ? null : Number(sequence),
    at: at.toISOString(),
    deliveries: deliveries.map((delivery) => ({
      ...delivery,
      nextAttemptAt: delivery.nextAttemptAt && new Date(delivery.nextAttemptAt).toISOString(),
    })),
  }))
}
