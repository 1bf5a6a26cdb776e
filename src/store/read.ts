import type { Knex } from 'knex'
import type { Transaction, TransactionStatus } from '../domain/transaction.ts'
import { prepared } from './statement.ts'
import { together } from './together.ts'
import { COLUMNS_OF_T, type TransactionRow, toTransaction } from './transaction-row.ts'

/** A row and the database's clock when it was read; all due times are of that clock. */
export interface LoadedTransaction {
  readonly transaction: Transaction
  readonly now: Date
}

/** Null for an id that has no row. */
export async function loadTogether(
  db: Knex,
  ids: readonly string[],
): Promise<PromiseSettledResult<LoadedTransaction | null>[]> {
  return together(ids, async (each) => {
    const rows = await prepared<TransactionRow & { now: Date }>(
      db,
      'confirmd-load-1',
      `SELECT ${COLUMNS_OF_T}, clock_timestamp() AS now FROM transaction_history AS t WHERE t.id = ANY(:ids)`,
      { ids: [...new Set(each)] },
    )
    const loaded = new Map(rows.map((row) => [row.id, { transaction: toTransaction(row), now: row.now }]))
    return each.map((id) => loaded.get(id) ?? null)
  })
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
