import type { Knex } from 'knex'

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
      (SELECT count(*) FROM transaction_history WHERE status = 'stalled') AS stalled,
      (SELECT count(*) FROM transaction_history WHERE status = 'pending' AND parked_at IS NOT NULL) AS parked`)
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
