import type { Knex } from 'knex'
import type { Transaction } from '../domain/transaction.ts'
import { OPEN_STATUSES } from '../domain/transaction.ts'
import { qualified } from './schema.ts'
import { inMs } from './time.ts'
import { type TransactionRow, toTransaction } from './transaction-row.ts'

/**
 * Starts the looks at an open row again: counts at 0, due at once, no longer parked; stalled becomes pending,
 * expired and replaced stay so until a receipt is found. Null if there is no such row or it has its verdict.
 */
export async function reopen(db: Knex, id: string): Promise<Transaction | null> {
  const rows: TransactionRow[] = await db(qualified(db, 'transaction_history'))
    .where({ id })
    .whereIn('status', OPEN_STATUSES)
    .update({
      status: db.raw(`CASE status WHEN 'stalled' THEN 'pending' ELSE status END`),
      retry_count: 0,
      handler_attempts: 0,
      consecutive_errors: 0,
      next_check_at: inMs(db, 0),
      leased_until: null,
      lease_count: 0,
      absent_checks: 0,
      parked_at: null,
      park_code: null,
      stalled_at: db.raw(`CASE status WHEN 'stalled' THEN NULL ELSE stalled_at END`),
      evidence: db.raw(`CASE WHEN status IN ('pending', 'stalled') THEN NULL ELSE evidence END`),
      updated_at: db.fn.now(),
    })
    .returning('*')
  return rows[0] ? toTransaction(rows[0]) : null
}
