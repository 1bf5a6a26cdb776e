import type { Json } from '../domain/json.ts'
import type { ReplacementLook } from '../domain/replacement.ts'
import {
  type Inclusion,
  OPEN_STATUSES,
  type Transaction,
  type TransactionStatus,
  type WriteState,
} from '../domain/transaction.ts'

/** A row as `pg` gives it: bigint and numeric come as strings. */
export interface TransactionRow {
  id: string
  chain: string
  tx_hash: string
  kind: string
  payload: Json
  status: TransactionStatus
  retry_count: number
  handler_attempts: number
  consecutive_errors: number
  absent_checks: number
  next_check_at: Date | null
  last_checked_at: Date | null
  parked_at: Date | null
  stalled_at: Date | null
  last_error: string | null
  seen_sender: string | null
  seen_nonce: string | null
  evidence: ReplacementLook[] | null
  failure_code: string | null
  failure_name: string | null
  block_number: string | null
  block_hash: string | null
  transaction_index: number | null
  gas_used: string | null
  effective_gas_price: string | null
  receipt: Json
  sender: string | null
  nonce: string | null
  correlation_id: string | null
  trace_parent: string | null
  write_state: WriteState | null
  replaced_by: string | null
  created_at: Date
  settled_at: Date | null
}

const COLUMNS = [
  ...['id', 'chain', 'tx_hash', 'kind', 'payload', 'status', 'retry_count', 'handler_attempts'],
  ...[
    'consecutive_errors',
    'absent_checks',
    'next_check_at',
    'last_checked_at',
    'parked_at',
    'stalled_at',
    'last_error',
  ],
  ...['seen_sender', 'seen_nonce', 'evidence', 'failure_code', 'failure_name', 'block_number', 'block_hash'],
  ...['transaction_index', 'gas_used', 'effective_gas_price', 'receipt', 'sender', 'nonce'],
  ...['correlation_id', 'trace_parent', 'write_state', 'replaced_by', 'created_at', 'settled_at'],
] as const satisfies (keyof TransactionRow)[]

/**
 * The columns by name, of a table that the statement calls `t`. A prepared statement must not say `*`: when
 * a migration adds a column, PostgreSQL refuses it from then on ("cached plan must not change result type").
 */
export const COLUMNS_OF_T = COLUMNS.map((column) => `t.${column}`).join(', ')

/** The same without the receipt, which is the largest part of a row: where there is none, or it is at hand. */
export const COLUMNS_WITHOUT_RECEIPT = COLUMNS_OF_T.replace('t.receipt', 'NULL AS receipt')

/** For `status IN (…)`: written out, so that a prepared statement can use an index that is partial by status. */
export const OPEN_STATUS_LIST = OPEN_STATUSES.map((status) => `'${status}'`).join(', ')

export function toTransaction(row: TransactionRow): Transaction {
  return {
    id: row.id,
    chain: row.chain,
    txHash: row.tx_hash,
    kind: row.kind,
    payload: row.payload,
    status: row.status,
    retryCount: row.retry_count,
    handlerAttempts: row.handler_attempts,
    consecutiveErrors: row.consecutive_errors,
    absentChecks: row.absent_checks,
    nextCheckAt: row.next_check_at,
    lastCheckedAt: row.last_checked_at,
    parkedAt: row.parked_at,
    stalledAt: row.stalled_at,
    lastError: row.last_error,
    ...toSeen(row),
    failure: row.failure_name === null ? null : { code: row.failure_code, name: row.failure_name },
    inclusion: toInclusion(row),
    receipt: row.receipt,
    writeState: row.write_state,
    replacedBy: row.replaced_by,
    sender: row.sender,
    nonce: row.nonce === null ? null : Number(row.nonce),
    correlationId: row.correlation_id,
    traceParent: row.trace_parent,
    createdAt: row.created_at,
    settledAt: row.settled_at,
  }
}

/** What looks at the chain left in the row. */
export function toSeen({
  seen_sender: sender,
  seen_nonce: nonce,
  evidence,
}: Pick<TransactionRow, 'seen_sender' | 'seen_nonce' | 'evidence'>): Pick<Transaction, 'seen' | 'evidence'> {
  const seen = sender === null || nonce === null ? null : { sender, nonce: Number(nonce) }
  return { seen, evidence: evidence ?? [] }
}

function toInclusion(row: TransactionRow): Inclusion | null {
  if (row.block_number === null || row.block_hash === null) return null
  return {
    blockNumber: Number(row.block_number),
    blockHash: row.block_hash,
    transactionIndex: row.transaction_index,
    gasUsed: row.gas_used,
    effectiveGasPriceWei: row.effective_gas_price,
  }
}
