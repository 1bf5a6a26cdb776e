import type { Knex } from 'knex'

export interface TransactionCounts {
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
