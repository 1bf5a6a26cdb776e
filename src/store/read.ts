import type { Knex } from 'knex'
import type { Look } from '../domain/look.ts'
import type { Transaction, TransactionStatus } from '../domain/transaction.ts'
import { CHAINS_IN_USE } from './chain-names.ts'
import { type StoredLook, toLook } from './looks.ts'
import { qualified, schemaOf } from './schema.ts'
import { prepared } from './statement.ts'
import { together } from './together.ts'
import {
  COLUMNS_OF_T,
  COLUMNS_WITHOUT_RECEIPT,
  OPEN_STATUS_LIST,
  type TransactionRow,
  toTransaction,
} from './transaction-row.ts'

/** A row and the database's clock when it was read; all due times are of that clock. */
export interface LoadedTransaction {
  readonly transaction: Transaction
  readonly now: Date
}

export async function load(db: Knex, id: string): Promise<Transaction | null> {
  const rows = await prepared<TransactionRow>(
    db,
    'confirmd-load-1',
    `SELECT ${COLUMNS_OF_T} FROM :schema:.transaction_history AS t WHERE t.id = :id`,
    { id },
  )
  return rows[0] ? toTransaction(rows[0]) : null
}

/** With its looks, the oldest first. */
export async function loadWithLooks(
  db: Knex,
  id: string,
): Promise<{ transaction: Transaction; looks: readonly Look[] } | null> {
  const [row] = await prepared<TransactionRow & { looks: StoredLook[] | null }>(
    db,
    'confirmd-load-looks-1',
    `SELECT ${COLUMNS_OF_T}, t.looks FROM :schema:.transaction_history AS t WHERE t.id = :id`,
    { id },
  )
  return row ? { transaction: toTransaction(row), looks: (row.looks ?? []).map(toLook) } : null
}

/**
 * For checks, most of which find their row settled: then only that is said, and the row is not read; nor is one of
 * another chain. Null for an id that has no row.
 */
export async function loadOpenTogether(
  db: Knex,
  chain: string,
  ids: readonly string[],
): Promise<PromiseSettledResult<LoadedTransaction | 'settled' | 'elsewhere' | null>[]> {
  return together(ids, async (each) => {
    const distinct = [...new Set(each)]
    const rows = await prepared<LoadedRow>(
      db,
      'confirmd-load-open-2',
      `SELECT t.id AS found_id, t.chain = :chain AS is_ours, clock_timestamp() AS now, open.*
         FROM :schema:.transaction_history AS t
         LEFT JOIN LATERAL (
           SELECT ${COLUMNS_WITHOUT_RECEIPT} WHERE t.chain = :chain AND t.status IN (${OPEN_STATUS_LIST})
         ) AS open ON true
        WHERE t.id = ANY(:ids)`,
      { chain, ids: distinct },
    )
    const loaded = new Map(rows.map((row) => [row.found_id, toLoaded(row)]))
    return each.map((id) => loaded.get(id) ?? null)
  })
}

/** Without the columns of the transaction if it is settled or of another chain. */
type LoadedRow = { readonly found_id: string; readonly is_ours: boolean; readonly now: Date } & (
  | TransactionRow
  | { readonly id: null }
)

function toLoaded(row: LoadedRow): LoadedTransaction | 'settled' | 'elsewhere' {
  if (!row.is_ours) return 'elsewhere'
  return row.id === null ? 'settled' : { transaction: toTransaction(row), now: row.now }
}

/** Those of the transactions that are not pending any more. */
export async function findDecided(db: Knex, ids: readonly string[]): Promise<string[]> {
  const rows = await prepared<{ id: string }>(
    db,
    'confirmd-find-decided-1',
    "SELECT id FROM :schema:.transaction_history WHERE id = ANY(:ids) AND status <> 'pending'",
    { ids: [...ids] },
  )
  return rows.map(({ id }) => id)
}

/** Which transactions. */
export interface TransactionSelection {
  readonly txHash?: string
  readonly chain?: string
  readonly status?: TransactionStatus
  readonly kind?: string
  /** Only those whose business write failed too often, or only the others. */
  readonly parked?: boolean
}

export interface TransactionFilter extends TransactionSelection {
  /** Rows older than this id. */
  readonly before?: string
  readonly limit: number
}

/** The newest rows first. Ids are UUID v7, so their order is that of registration and never changes. */
export async function list(db: Knex, { before, limit, ...which }: TransactionFilter): Promise<Transaction[]> {
  const query = selected(db, which).orderBy('id', 'desc').limit(limit)
  if (before !== undefined) query.where('id', '<', before)
  const rows: TransactionRow[] = await query
  return rows.map(toTransaction)
}

export async function count(db: Knex, which: TransactionSelection): Promise<number> {
  const rows = await selected(db, which).count<{ count: string }[]>('* as count')
  return Number(rows[0]?.count ?? 0)
}

function selected(db: Knex, which: TransactionSelection) {
  const query = db<TransactionRow>(qualified(db, 'transaction_history'))
  if (which.txHash !== undefined) {
    query.where('tx_hash', which.txHash.toLowerCase())
    // The index begins with the chain: one look-up for each. PostgreSQL before 18 would read all of the index.
    if (which.chain === undefined) {
      query.whereRaw(`chain = ANY(ARRAY(${CHAINS_IN_USE}))`, { schema: schemaOf(db) })
    }
  }
  if (which.chain !== undefined) query.where('chain', which.chain)
  if (which.status !== undefined) query.where('status', which.status)
  if (which.kind !== undefined) query.where('kind', which.kind)
  if (which.parked === true) query.whereNotNull('parked_at')
  if (which.parked === false) query.whereNull('parked_at')
  return query
}
