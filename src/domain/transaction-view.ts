import { type Static, Type } from 'typebox'
import { TRANSACTION_STATUSES, type Transaction } from './transaction.ts'

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()])
const Timestamp = Type.String({ format: 'date-time' })

export const Status = Type.Enum([...TRANSACTION_STATUSES], { type: 'string' })

/** A transaction as the API, events and SQL business writes show it. */
export const TransactionView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  chain: Type.String(),
  txHash: Type.String(),
  kind: Type.String(),
  payload: Type.Unknown(),
  status: Status,
  retryCount: Type.Integer(),
  failure: Nullable(Type.Object({ code: Nullable(Type.String()), name: Type.String() })),
  receipt: Nullable(
    Type.Object({
      blockNumber: Type.Integer(),
      blockHash: Type.String(),
      transactionIndex: Type.Integer(),
      gasUsed: Type.String({ description: 'decimal' }),
      effectiveGasPrice: Nullable(Type.String({ description: 'wei, decimal' })),
    }),
  ),
  lastError: Nullable(Type.String()),
  createdAt: Timestamp,
  lastCheckedAt: Nullable(Timestamp),
  nextCheckAt: Nullable(Timestamp),
  settledAt: Nullable(Timestamp),
})

export type TransactionView = Static<typeof TransactionView>

export function viewTransaction(transaction: Transaction): TransactionView {
  const { inclusion } = transaction
  return {
    id: transaction.id,
    chain: transaction.chain,
    txHash: transaction.txHash,
    kind: transaction.kind,
    payload: transaction.payload,
    status: transaction.status,
    retryCount: transaction.retryCount,
    failure: transaction.failure,
    receipt: inclusion && {
      blockNumber: inclusion.blockNumber,
      blockHash: inclusion.blockHash,
      transactionIndex: inclusion.transactionIndex,
      gasUsed: inclusion.gasUsed,
      effectiveGasPrice: inclusion.effectiveGasPriceWei,
    },
    lastError: transaction.lastError,
    createdAt: transaction.createdAt.toISOString(),
    lastCheckedAt: transaction.lastCheckedAt?.toISOString() ?? null,
    nextCheckAt: transaction.nextCheckAt?.toISOString() ?? null,
    settledAt: transaction.settledAt?.toISOString() ?? null,
  }
}
