import type { FromSchema } from 'json-schema-to-ts'
import { TRANSACTION_STATUSES, type Transaction } from './transaction.ts'

const Timestamp = { type: 'string', format: 'date-time' } as const
const NullableTimestamp = { type: ['string', 'null'], format: 'date-time' } as const
const NullableString = { type: ['string', 'null'] } as const

export const Status = { type: 'string', enum: TRANSACTION_STATUSES } as const

/** A transaction as the API, events and SQL business writes show it. */
export const TransactionView = {
  type: 'object',
  required: [
    ...[
      'id',
      'chain',
      'txHash',
      'kind',
      'payload',
      'status',
      'retryCount',
      'failure',
      'receipt',
      'lastError',
    ],
    ...['createdAt', 'lastCheckedAt', 'nextCheckAt', 'settledAt'],
  ],
  properties: {
    id: { type: 'string', format: 'uuid' },
    chain: { type: 'string' },
    txHash: { type: 'string' },
    kind: { type: 'string' },
    payload: {},
    status: Status,
    retryCount: { type: 'integer' },
    failure: {
      type: ['object', 'null'],
      required: ['code', 'name'],
      properties: { code: NullableString, name: { type: 'string' } },
    },
    receipt: {
      type: ['object', 'null'],
      required: ['blockNumber', 'blockHash', 'transactionIndex', 'gasUsed', 'effectiveGasPrice'],
      properties: {
        blockNumber: { type: 'integer' },
        blockHash: { type: 'string' },
        transactionIndex: { type: 'integer' },
        gasUsed: { type: 'string', description: 'decimal' },
        effectiveGasPrice: { ...NullableString, description: 'wei, decimal' },
      },
    },
    lastError: NullableString,
    createdAt: Timestamp,
    lastCheckedAt: NullableTimestamp,
    nextCheckAt: NullableTimestamp,
    settledAt: NullableTimestamp,
  },
} as const

export type TransactionView = FromSchema<typeof TransactionView>

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
