import type { SeenTransaction } from './finality.ts'
import type { Json } from './json.ts'
import type { Registration } from './registration.ts'
import type { ReplacementLook } from './replacement.ts'

/** The states of `transaction_history.status`; what each leads to is in the README. */
export const TRANSACTION_STATUSES = [
  'pending',
  'confirmed',
  'failed',
  'replaced',
  'stalled',
  'expired',
] as const

export type TransactionStatus = (typeof TRANSACTION_STATUSES)[number]

/** The states in which a final receipt is still acted on. */
export const OPEN_STATUSES = [
  'pending',
  'stalled',
  'expired',
  'replaced',
] as const satisfies TransactionStatus[]

export function isOpen(status: TransactionStatus): boolean {
  return (OPEN_STATUSES as readonly TransactionStatus[]).includes(status)
}

/** Where and at what cost a transaction was included. Gas and wei are decimal strings. */
export interface Inclusion {
  readonly blockNumber: number
  readonly blockHash: string
  /** This, gas and price decide nothing: null where the node gave no usable value. */
  readonly transactionIndex: number | null
  readonly gasUsed: string | null
  readonly effectiveGasPriceWei: string | null
}

/** Whether the verdict's business write ran: `done`, or `none` where the kind had none. Null before the verdict, and for rows of 0.1. */
export const WRITE_STATES = ['done', 'none'] as const
export type WriteState = (typeof WRITE_STATES)[number]

/** Why a transaction reverted: Kaia's `txError` and its name. */
export type Failure = {
  readonly code: string | null
  readonly name: string
}

/** A row of `transaction_history`. */
export interface Transaction extends Registration {
  /** UUID v7. */
  readonly id: string
  readonly status: TransactionStatus
  /** Looks that found no receipt, since the registration or the last recheck. */
  readonly retryCount: number
  /**
   * Failed attempts to commit the verdict with its business write, since the registration or the last recheck: the one
   * counter that gives up, whether the write threw, timed out, was refused at COMMIT or ended the process.
   */
  readonly handlerAttempts: number
  /** Looks in a row to which no node gave a usable answer. */
  readonly consecutiveErrors: number
  /** Checks in a row, since it is stalled, that found it absent at as many providers as are asked for. */
  readonly absentChecks: number
  readonly nextCheckAt: Date | null
  readonly lastCheckedAt: Date | null
  /** Set while the verdict can't be committed; only a recheck goes on, or a handler where there was none. */
  readonly parkedAt: Date | null
  readonly stalledAt: Date | null
  readonly lastError: string | null
  /** Sender and nonce as the chain showed them. */
  readonly seen: SeenTransaction | null
  /** Looks that found the nonce used up by another transaction. */
  readonly evidence: readonly ReplacementLook[]
  readonly failure: Failure | null
  readonly inclusion: Inclusion | null
  readonly receipt: Json
  readonly writeState: WriteState | null
  /** The transaction that consumed the nonce, where a node could still show it. */
  readonly replacedBy: string | null
  readonly createdAt: Date
  /** When `confirmed`, `failed`, `replaced` or `expired` was written. */
  readonly settledAt: Date | null
}

/** A row as it is when it was just recorded. */
export function recordedTransaction(
  registration: Registration,
  { id, createdAt, nextCheckAt }: Pick<Transaction, 'id' | 'createdAt' | 'nextCheckAt'>,
): Transaction {
  const { chain, txHash, kind, payload, sender, nonce, correlationId, traceParent } = registration
  return {
    id,
    chain,
    txHash,
    kind,
    payload,
    sender,
    nonce,
    correlationId,
    traceParent,
    status: 'pending',
    retryCount: 0,
    handlerAttempts: 0,
    consecutiveErrors: 0,
    absentChecks: 0,
    nextCheckAt,
    lastCheckedAt: null,
    parkedAt: null,
    stalledAt: null,
    lastError: null,
    seen: null,
    evidence: [],
    failure: null,
    inclusion: null,
    receipt: null,
    writeState: null,
    replacedBy: null,
    createdAt,
    settledAt: null,
  }
}

/** What became of a registration; a kind has one of each transaction. */
export interface Recorded {
  /** `recorded`: a new row. `known`: it was there with the same content. `conflict`: with other content. */
  readonly outcome: 'recorded' | 'known' | 'conflict'
  readonly transaction: Transaction
}
