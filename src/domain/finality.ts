import type { WaitReason } from './look.ts'
import { failureOf, type Receipt } from './receipt.ts'
import { addLook, isReplaced, type ReplacementLook, type ReplacementPolicy } from './replacement.ts'
import { type RetryDelaysMs, retryDelayMs } from './schedule.ts'
import type { Failure, Transaction } from './transaction.ts'

/**
 * One look at the chain: the head, read first, then the receipt, from the same node.
 * `unavailable` is not `absent`: a node that fails, lags or contradicts itself has said nothing.
 */
export type Observation =
  | {
      readonly kind: 'receipt'
      readonly node: string
      readonly headNumber: number
      /** Its block is the canonical one at its height. */
      readonly receipt: Receipt
    }
  | {
      readonly kind: 'absent'
      /** The fresh nodes that were asked; none had a receipt. */
      readonly nodes: readonly string[]
      readonly headNumber: number
      /** Whether a node has it in its pool. */
      readonly inPool: boolean
      /** Sender and nonce, where a node knew the transaction. */
      readonly seen: SeenTransaction | null
      /** Sightings that its nonce is used up; empty unless as many nodes agreed as are asked for. */
      readonly replacement: ReplacementLook
    }
  | { readonly kind: 'unavailable'; readonly error: string }

export interface SeenTransaction {
  readonly sender: string
  readonly nonce: number
}

/** What a look should find out. */
export interface Query {
  readonly txHash: string
  /** Null: learn them from the chain, if a node knows the transaction. */
  readonly known: SeenTransaction | null
  /** Ask as many nodes as a verdict without a receipt needs, and for the sender's nonce. */
  readonly thorough: boolean
}

export interface FinalityPolicy {
  readonly retryDelaysMs: RetryDelaysMs
  /** Looks without a final receipt after which a pending transaction is stalled. */
  readonly retryLimit: number
  /** Blocks that must follow the receipt's block; 0 where inclusion is final, as on Kaia. */
  readonly finalityDepthBlocks: number
  /** How long a transaction stays stalled before its absence makes it expired. */
  readonly expireAfterMs: number
  /** Nodes that must agree on a verdict without a receipt: two, where two are configured. */
  readonly witnesses: number
  readonly replacement: ReplacementPolicy
  /** The pace of looks at a stalled transaction. */
  readonly stalledCheckIntervalMs: number
}

/** What a look that gave no verdict leaves in the row. */
export interface Notes {
  readonly seen: SeenTransaction | null
  /** Null: as it was. */
  readonly evidence: readonly ReplacementLook[] | null
}

/** What becomes of a transaction after a look. */
export type Decision =
  | {
      readonly kind: 'settle'
      readonly status: 'confirmed' | 'failed'
      readonly receipt: Receipt
      readonly failure: Failure | null
    }
  | { readonly kind: 'replace'; readonly evidence: readonly ReplacementLook[] }
  | {
      readonly kind: 'wait'
      readonly reason: WaitReason
      readonly delayMs: number
      readonly retryCount: number
      readonly consecutiveErrors: number
      readonly error: string | null
      readonly notes: Notes
    }
  | {
      readonly kind: 'stall'
      readonly reason: WaitReason
      readonly nextCheckInMs: number
      readonly notes: Notes
    }
  | { readonly kind: 'expire' }
  /** A stalled or expired transaction stays as it is. */
  | {
      readonly kind: 'keep'
      readonly nextCheckInMs: number | null
      readonly error: string | null
      readonly notes: Notes
    }

export type LookedAt = Pick<
  Transaction,
  'status' | 'retryCount' | 'consecutiveErrors' | 'stalledAt' | 'evidence'
>

const NOTHING_NEW: Notes = { seen: null, evidence: null }

/**
 * Decides from one observation. Only a final receipt confirms or fails; only repeated agreement of fresh nodes
 * replaces or expires; only a look that found no receipt spends an attempt; an unavailable chain changes
 * nothing but the time of the next look.
 */
export function decide(
  observation: Observation,
  policy: FinalityPolicy,
  transaction: LookedAt,
  now: Date,
): Decision {
  if (observation.kind === 'unavailable') return decideUnavailable(observation.error, policy, transaction)
  if (observation.kind === 'receipt') {
    if (isFinal(observation, policy)) {
      const failure = failureOf(observation.receipt)
      return {
        kind: 'settle',
        status: failure ? 'failed' : 'confirmed',
        receipt: observation.receipt,
        failure,
      }
    }
    return decideOpen('not-final', { seen: null, evidence: clear(transaction) }, policy, transaction)
  }
  const { replacement, nodes, inPool, seen } = observation
  if (replacement.length >= policy.witnesses && transaction.status !== 'expired') {
    const evidence = addLook(transaction.evidence, replacement)
    if (isReplaced(evidence, policy.replacement)) return { kind: 'replace', evidence }
    return decideOpen('receipt-absent', { seen, evidence }, policy, transaction)
  }
  if (transaction.status === 'stalled' && !inPool && nodes.length >= policy.witnesses) {
    const stalledForMs = transaction.stalledAt ? now.getTime() - transaction.stalledAt.getTime() : 0
    if (stalledForMs >= policy.expireAfterMs) return { kind: 'expire' }
  }
  return decideOpen('receipt-absent', { seen, evidence: clear(transaction) }, policy, transaction)
}

/** A look that does not confirm the suspicion ends it: the looks must agree without a break. */
function clear({ evidence }: LookedAt): readonly ReplacementLook[] | null {
  return evidence.length > 0 ? [] : null
}

function isFinal(observation: { headNumber: number; receipt: Receipt }, policy: FinalityPolicy): boolean {
  const { blockNumber } = observation.receipt
  const headNumber = Math.max(observation.headNumber, blockNumber)
  return headNumber - blockNumber >= policy.finalityDepthBlocks
}

function decideUnavailable(error: string, policy: FinalityPolicy, transaction: LookedAt): Decision {
  const { status, retryCount, consecutiveErrors } = transaction
  if (status !== 'pending') return keep(policy, error, NOTHING_NEW)
  return {
    kind: 'wait',
    reason: 'node-unavailable',
    delayMs: retryDelayMs(policy.retryDelaysMs, consecutiveErrors),
    retryCount,
    consecutiveErrors: consecutiveErrors + 1,
    error,
    notes: NOTHING_NEW,
  }
}

function decideOpen(
  reason: WaitReason,
  notes: Notes,
  policy: FinalityPolicy,
  { status, retryCount }: LookedAt,
): Decision {
  if (status === 'expired' && reason === 'receipt-absent') {
    return { kind: 'keep', nextCheckInMs: null, error: null, notes }
  }
  if (status !== 'pending') return keep(policy, null, notes)
  if (retryCount >= policy.retryLimit) {
    return { kind: 'stall', reason, nextCheckInMs: policy.stalledCheckIntervalMs, notes }
  }
  return {
    kind: 'wait',
    reason,
    delayMs: retryDelayMs(policy.retryDelaysMs, retryCount),
    retryCount: retryCount + 1,
    consecutiveErrors: 0,
    error: null,
    notes,
  }
}

/** Also of an expired transaction: the look that a recheck asked for is made once a node answered for good. */
function keep(policy: FinalityPolicy, error: string | null, notes: Notes): Decision {
  return { kind: 'keep', nextCheckInMs: policy.stalledCheckIntervalMs, error, notes }
}

/** Looks after which a transaction that is still absent is looked at more closely. */
const LOOKS_BEFORE_SUSPICION = 2

/** What the next look at a transaction should find out. */
export function queryFor(
  transaction: Pick<
    Transaction,
    'txHash' | 'status' | 'retryCount' | 'sender' | 'nonce' | 'seen' | 'evidence'
  >,
): Query {
  const { txHash, status, retryCount, sender, nonce, seen, evidence } = transaction
  // What the chain showed is surer than what the backend said.
  const given = sender !== null && nonce !== null ? { sender, nonce } : null
  return {
    txHash,
    known: seen ?? given,
    thorough: status !== 'pending' || retryCount >= LOOKS_BEFORE_SUSPICION || evidence.length > 0,
  }
}
