import type { Knex } from 'knex'
import type { Transaction } from '../domain/transaction.ts'
import { raw } from './statement.ts'
import { COLUMNS_OF_T, type TransactionRow, toTransaction } from './transaction-row.ts'

/**
 * Takes pending rows whose look is overdue by more than the grace: their message is lost or late.
 * They become due now, so that nobody takes them again before another grace has passed.
 */
export async function leaseOverdue(
  db: Knex,
  { chain, graceMs, limit }: { chain: string; graceMs: number; limit: number },
): Promise<Transaction[]> {
  const { rows } = await raw<{ rows: TransactionRow[] }>(
    db,
    `UPDATE :schema:.transaction_history AS t
        SET next_check_at = clock_timestamp(), updated_at = now()
      WHERE id IN (
        SELECT id FROM :schema:.transaction_history
         WHERE chain = :chain AND status = 'pending' AND parked_at IS NULL
           AND next_check_at < now() - :graceMs * interval '1 millisecond'
         ORDER BY next_check_at
         LIMIT :limit
           FOR NO KEY UPDATE SKIP LOCKED)
     RETURNING ${COLUMNS_OF_T}`,
    { chain, graceMs, limit },
  )
  return rows.map(toTransaction)
}

/**
 * Takes rows without a queue message (stalled; expired and replaced ones for a while) whose slow check is due, and puts
 * off the next one so that no other sweep takes them. With the database's clock.
 */
export async function leaseWatched(
  db: Knex,
  { chain, intervalMs, limit }: { chain: string; intervalMs: number; limit: number },
): Promise<{ transactions: Transaction[]; now: Date }> {
  const { rows } = await raw<{ rows: (TransactionRow & { now: Date })[] }>(
    db,
    `UPDATE :schema:.transaction_history AS t
        SET next_check_at = clock_timestamp() + :intervalMs * interval '1 millisecond', updated_at = now()
      WHERE id IN (
        SELECT id FROM :schema:.transaction_history
         WHERE chain = :chain AND status IN ('stalled', 'expired', 'replaced') AND parked_at IS NULL
           AND next_check_at <= now()
         ORDER BY next_check_at
         LIMIT :limit
           FOR NO KEY UPDATE SKIP LOCKED)
     RETURNING ${COLUMNS_OF_T}, clock_timestamp() AS now`,
    { chain, intervalMs, limit },
  )
  return { transactions: rows.map(toTransaction), now: rows[0]?.now ?? new Date() }
}

/** A pending row that was handed out, and how often it was without a result. */
export interface Leased {
  readonly transaction: Transaction
  readonly leaseCount: number
}

/** Takes due pending rows for checking; they are due again when the lease ends without a result. */
export async function leaseDue(
  db: Knex,
  { chain, leaseMs, limit }: { chain: string; leaseMs: number; limit: number },
): Promise<Leased[]> {
  const { rows } = await raw<{ rows: (TransactionRow & { lease_count: number })[] }>(
    db,
    `UPDATE :schema:.transaction_history AS t
        SET leased_until = clock_timestamp() + :leaseMs * interval '1 millisecond',
            lease_count = lease_count + 1
      WHERE id IN (
        SELECT id FROM :schema:.transaction_history
         WHERE chain = :chain AND status = 'pending' AND parked_at IS NULL
           AND next_check_at <= now()
           AND (leased_until IS NULL OR leased_until <= now())
         ORDER BY next_check_at
         LIMIT :limit
           FOR NO KEY UPDATE SKIP LOCKED)
     RETURNING ${COLUMNS_OF_T}, t.lease_count`,
    { chain, leaseMs, limit },
  )
  return rows.map((row) => ({ transaction: toTransaction(row), leaseCount: row.lease_count }))
}

/** Puts off the end of leases that are still worked on. */
export async function renewLeases(
  db: Knex,
  { leaseMs, ids }: { leaseMs: number; ids: readonly string[] },
): Promise<void> {
  await raw(
    db,
    `UPDATE :schema:.transaction_history
        SET leased_until = clock_timestamp() + :leaseMs * interval '1 millisecond'
      WHERE id IN (
        SELECT id FROM :schema:.transaction_history
         WHERE id = ANY(:ids) AND leased_until IS NOT NULL
         ORDER BY id
           FOR NO KEY UPDATE)`,
    { leaseMs, ids: [...ids] },
  )
}

/**
 * Ends a lease without a result: the row is due again after the delay, as if it had not been handed out. A renewal that
 * was on its way finds no lease.
 */
export async function endLease(db: Knex, { id, dueInMs }: { id: string; dueInMs: number }): Promise<void> {
  await raw(
    db,
    `UPDATE :schema:.transaction_history
        SET next_check_at = clock_timestamp() + :dueInMs * interval '1 millisecond',
            leased_until = NULL, lease_count = 0
      WHERE id = :id AND leased_until IS NOT NULL`,
    { id, dueInMs },
  )
}
