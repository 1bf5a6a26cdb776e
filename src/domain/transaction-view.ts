import { type Look, LookView } from './look.ts'
import {
  TRANSACTION_STATUSES,
  type Transaction,
  type TransactionStatus,
  WRITE_STATES,
  type WriteState,
} from './transaction.ts'

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
      'writeState',
      'replacedBy',
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
        transactionIndex: { type: ['integer', 'null'], description: 'null: the node gave no usable one' },
        gasUsed: { ...NullableString, description: 'decimal; null: the node gave no usable one' },
        effectiveGasPrice: { ...NullableString, description: 'wei, decimal' },
      },
    },
    lastError: NullableString,
    writeState: {
      ...NullableString,
      enum: [...WRITE_STATES, null],
      description:
        'done: the business write is committed with the verdict; none: there was none to run; null: no verdict yet',
    },
    replacedBy: {
      ...NullableString,
      description: 'the transaction that consumed the nonce, where a node could still show it',
    },
    createdAt: Timestamp,
    lastCheckedAt: NullableTimestamp,
    nextCheckAt: NullableTimestamp,
    settledAt: NullableTimestamp,
  },
} as const

/** The same as a type of its own: whoever uses the package needs no library for it. A test keeps the two alike. */
export type TransactionView = {
  readonly id: string
  readonly chain: string
  readonly txHash: string
  readonly kind: string
  /** What the registration gave. */
  readonly payload: unknown
  readonly status: TransactionStatus
  readonly retryCount: number
  /** Why it reverted. */
  readonly failure: { readonly code: string | null; readonly name: string } | null
  readonly receipt: {
    readonly blockNumber: number
    readonly blockHash: string
    /** Null where the node gave no usable one; so is `gasUsed`. */
    readonly transactionIndex: number | null
    /** Decimal. */
    readonly gasUsed: string | null
    /** In wei, decimal. */
    readonly effectiveGasPrice: string | null
  } | null
  readonly lastError: string | null
  /** `done`: the business write is committed with the verdict; `none`: there was none to run; null: no verdict yet. */
  readonly writeState: WriteState | null
  /** The transaction that consumed the nonce, where a node could still show it. */
  readonly replacedBy: string | null
  /** This and the following times are of ISO 8601. */
  readonly createdAt: string
  readonly lastCheckedAt: string | null
  readonly nextCheckAt: string | null
  readonly settledAt: string | null
}

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
    writeState: transaction.writeState,
    replacedBy: transaction.replacedBy,
    createdAt: transaction.createdAt.toISOString(),
    lastCheckedAt: transaction.lastCheckedAt?.toISOString() ?? null,
    nextCheckAt: transaction.nextCheckAt?.toISOString() ?? null,
    settledAt: transaction.settledAt?.toISOString() ?? null,
  }
}

/** One transaction with all that is known of it: what it was registered with, and what was seen and when. */
export const TransactionDetail = {
  ...TransactionView,
  required: [
    ...TransactionView.required,
    ...(['from', 'nonce', 'correlationId', 'handlerAttempts', 'parkedAt', 'stalledAt', 'looks'] as const),
  ],
  properties: {
    ...TransactionView.properties,
    from: { ...NullableString, description: 'the sender, as registered or as the chain showed it' },
    nonce: { type: ['integer', 'null'] },
    correlationId: NullableString,
    handlerAttempts: { type: 'integer', description: 'business writes that threw' },
    parkedAt: { ...NullableTimestamp, description: 'set while the business write has failed too often' },
    stalledAt: NullableTimestamp,
    looks: { type: 'array', description: 'the last looks at the chain, the oldest first', items: LookView },
  },
} as const

export type TransactionDetail = TransactionView & {
  /** The sender, as registered or as the chain showed it. */
  readonly from: string | null
  readonly nonce: number | null
  readonly correlationId: string | null
  /** Business writes that threw. */
  readonly handlerAttempts: number
  /** Set while the business write has failed too often. */
  readonly parkedAt: string | null
  readonly stalledAt: string | null
  /** The last looks at the chain, the oldest first. */
  readonly looks: Look[]
}

export function viewDetail(transaction: Transaction, looks: readonly Look[]): TransactionDetail {
  const { seen, sender, nonce, correlationId, handlerAttempts, parkedAt, stalledAt } = transaction
  return {
    ...viewTransaction(transaction),
    from: seen?.sender ?? sender,
    nonce: seen?.nonce ?? nonce,
    correlationId,
    handlerAttempts,
    parkedAt: parkedAt?.toISOString() ?? null,
    stalledAt: stalledAt?.toISOString() ?? null,
    looks: [...looks],
  }
}
