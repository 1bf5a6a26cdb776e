import { failureOf, type Receipt } from './receipt.ts'
import { type RetryDelaysMs, retryDelayMs } from './schedule.ts'
import type { Failure, Transaction } from './transaction.ts'

/**
 * One look at the chain, made at one node: its head, read first, then the receipt.
 * `unavailable` is not `absent`: a node that fails has said nothing about the transaction.
 */
export type Observation =
  | {
      readonly kind: 'receipt'
      readonly node: string
      readonly headNumber: number
      readonly receipt: Receipt
    }
  | { readonly kind: 'absent'; readonly node: string; readonly headNumber: number }
  | { readonly kind: 'unavailable'; readonly error: string }

export interface FinalityPolicy {
  readonly retryDelaysMs: RetryDelaysMs
  /** Looks without a final receipt after which a pending transaction is stalled. */
  readonly retryLimit: number
  /** Blocks that must follow the receipt's block; 0 where inclusion is final, as on Kaia. */
  readonly finalityDepthBlocks: number
  /** How long a transaction stays stalled before its absence makes it expired. */
  readonly expireAfterMs: number
  /** The pace of looks at a stalled transaction. */
  readonly stalledCheckIntervalMs: number
}

export type WaitReason = 'receipt-absent' | 'not-final' | 'node-unavailable' | 'handler-failed'

/** What becomes of a transaction after a look. */
export type Decision =
  | {
      readonly kind: 'settle'
      readonly status: 'confirmed' | 'failed'
      readonly receipt: Receipt
      readonly failure: Failure | null
    }
  | {
      readonly kind: 'wait'
      readonly reason: WaitReason
      readonly delayMs: number
      readonly retryCount: number
      readonly consecutiveErrors: number
      readonly error: string | null
    }
  | { readonly kind: 'stall'; readonly reason: WaitReason; readonly nextCheckInMs: number }
  | { readonly kind: 'expire' }
  /** A stalled or expired transaction stays as it is. */
  | { readonly kind: 'keep'; readonly nextCheckInMs: number | null; readonly error: string | null }

/**
 * Decides from one observation. Only a final receipt gives a verdict; only a look that found none
 * spends an attempt; an unavailable chain changes nothing but the time of the next look.
 */
export function decide(
  observation: Observation,
  policy: FinalityPolicy,
  transaction: Pick<Transaction, 'status' | 'retryCount' | 'consecutiveErrors' | 'stalledAt'>,
  now: Date,
): Decision {
  if (observation.kind === 'receipt' && isFinal(observation, policy)) {
    const failure = failureOf(observation.receipt)
    return { kind: 'settle', status: failure ? 'failed' : 'confirmed', receipt: observation.receipt, failure }
  }
  if (transaction.status !== 'pending') return decideUnsettled(observation, policy, transaction, now)
  if (observation.kind === 'unavailable') {
    return {
      kind: 'wait',
      reason: 'node-unavailable',
      delayMs: retryDelayMs(policy.retryDelaysMs, transaction.consecutiveErrors),
      retryCount: transaction.retryCount,
      consecutiveErrors: transaction.consecutiveErrors + 1,
      error: observation.error,
    }
  }
  const reason = observation.kind === 'receipt' ? 'not-final' : 'receipt-absent'
  if (transaction.retryCount >= policy.retryLimit) {
    return { kind: 'stall', reason, nextCheckInMs: policy.stalledCheckIntervalMs }
  }
  return {
    kind: 'wait',
    reason,
    delayMs: retryDelayMs(policy.retryDelaysMs, transaction.retryCount),
    retryCount: transaction.retryCount + 1,
    consecutiveErrors: 0,
    error: null,
  }
}

function isFinal(observation: { headNumber: number; receipt: Receipt }, policy: FinalityPolicy): boolean {
  const { blockNumber } = observation.receipt
  const headNumber = Math.max(observation.headNumber, blockNumber)
  return headNumber - blockNumber >= policy.finalityDepthBlocks
}

function decideUnsettled(
  observation: Observation,
  policy: FinalityPolicy,
  transaction: Pick<Transaction, 'status' | 'stalledAt'>,
  now: Date,
): Decision {
  const error = observation.kind === 'unavailable' ? observation.error : null
  if (transaction.status !== 'stalled') return { kind: 'keep', nextCheckInMs: null, error }
  const stalledForMs = transaction.stalledAt ? now.getTime() - transaction.stalledAt.getTime() : 0
  if (observation.kind === 'absent' && stalledForMs >= policy.expireAfterMs) return { kind: 'expire' }
  return { kind: 'keep', nextCheckInMs: policy.stalledCheckIntervalMs, error }
}
