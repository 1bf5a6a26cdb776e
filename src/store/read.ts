import type { Knex } from 'knex'
import type { Transaction, TransactionStatus } from '../domain/transaction.ts'
import { type TransactionRow, toTransaction } from './transaction-row.ts'

/** A row and the database's clock when it was read; all due times are of that clock. */
export interface LoadedTransaction {
  readonly transaction: Transaction
  readonly now: Date
}

export async function load(db: Knex, id: string): Promise<LoadedTransaction | null> {
  const { rows } = await db.raw<{ rows: (TransactionRow & { now: Date })[] }>(
    'SELECT *, clock_timestamp() AS now FROM transaction_history WHERE id = :id',
    { id },
  )
  const row = rows[0]
  return row ? { transaction: toTransaction(row), now: row.now } : null
}

export interface TransactionFilter {
  readonly txHash?: string
  readonly chain?: string
  readonly status?: TransactionStatus
  readonly kind?: string
  /** Rows older than this id. */
  readonly before?: string
  readonly limit: number
}

/** The newest rows first. Ids are UUID v7, so their order is that of registration and never changes. */
export async function list(db: Knex, filter: TransactionFilter): Promise<Transaction[]> {
  const query = db<TransactionRow>('transaction_history').orderBy('id', 'desc').limit(filter.limit)
  if (filter.txHash !== undefined) query.where('tx_hash', filter.txHash.toLowerCase())
  if (filter.chain !== undefined) query.where('chain', filter.chain)
  if (filter.status !== undefined) query.where('status', filter.status)
  if (filter.kind !== undefined) query.where('kind', filter.kind)
  if (filter.before !== undefined) query.where('id', '<', filter.before)
  const rows: TransactionRow[] = await query
  return rows.map(toTransaction)
}
