import type { WaitReason } from './look.ts'
import { failureOf, type Receipt } from './receipt.ts'
import {
  addLook,
  isReplaced,
  type NonceSighting,
  type ReplacementLook,
  type ReplacementPolicy,
} from './replacement.ts'
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
      /** No more than what the node that has the receipt showed to follow its block, asked afresh. */
      readonly headNumber: number
      /** Its block is the canonical one at its height. */
      readonly receipt: Receipt
    }
  | {
      readonly kind: 'absent'
      /** The fresh nodes that were asked; none had a receipt. */
      readonly nodes: readonly string[]
      /** How many independent providers these nodes are of; only those whose head was asked afresh count. */
      readonly providers: number
      readonly headNumber: number
      /** Whether a node has it in its pool. */
      readonly inPool: boolean
      /** Sender and nonce, where two answers, of two providers if there are two, showed the same. */
      readonly seen: SeenTransaction | null
      /** Sightings that its nonce is used up, one of each provider; empty unless as many agreed as are asked for. */
      readonly replacement: readonly NonceSighting[]
      /** What of the further evidence could not be had, a sentence each; the absence stands without it. */
      readonly notes?: readonly string[]
    }
  | { readonly kind: 'unavailable'; readonly error: string }

export interface SeenTransaction {
  readonly sender: string
  readonly nonce: number
}

/** What a look should find out. */
export interface Query {
  readonly txHash: string
  /** As the chain showed them. Null: learn them, if a node knows the transaction. */
  readonly known: SeenTransaction | null
  /** Ask as many nodes as a verdict without a receipt needs, and for the sender's nonce. */
  readonly thorough: boolean
}

export interface FinalityPolicy {
  readonly retryDelaysMs: RetryDelaysMs
  /** Checks that found no receipt after which a pending transaction is stalled. */
  readonly retryLimit: number
  /** Blocks that must follow the receipt's block; 0 where inclusion is final, as on Kaia. */
  readonly finalityDepthBlocks: number
  /** How long a transaction stays stalled before its absence makes it expired. */
  readonly expireAfterMs: number
  /** Providers that must agree on a verdict without a receipt: two, where two are configured. */
  readonly witnesses: number
  readonly replacement: ReplacementPolicy
  /** Time between the checks of a stalled transaction, and of one that was `replaced` or `expired` lately. */
  readonly stalledCheckIntervalMs: number
}

/** Checks in a row that must find a stalled transaction absent before it expires: a single answer may be wrong. */
const ABSENCES_TO_EXPIRE = 3
/** How long `replaced` and `expired` are still checked; later only the follower, or a recheck, meets their receipt. */
const CHECKED_AFTER_END_MS = 86_400_000

/** What a check that gave no verdict leaves in the row. Null: as it was. */
export interface Notes {
  readonly seen: SeenTransaction | null
  readonly evidence: readonly ReplacementLook[] | null
  readonly absentChecks: number | null
}

/** What becomes of a transaction after a look. */
export type Decision =
  | {
      readonly kind: 'settle'
      readonly status: 'confirmed' | 'failed'
      readonly receipt: Receipt
      readonly failure: Failure | null
    }
  | {
      readonly kind: 'replace'
      readonly evidence: readonly ReplacementLook[]
      readonly nextCheckInMs: number
    }
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
      readonly reason: 'receipt-absent'
      readonly nextCheckInMs: number
      readonly notes: Notes
    }
  | { readonly kind: 'expire'; readonly nextCheckInMs: number }
  /** A transaction that is not pending stays as it is. */
  | {
      readonly kind: 'keep'
      readonly nextCheckInMs: number | null
      readonly error: string | null
      readonly notes: Notes
    }

export type LookedAt = Pick<
  Transaction,
  'status' | 'retryCount' | 'consecutiveErrors' | 'absentChecks' | 'stalledAt' | 'settledAt' | 'evidence'
>

const NOTHING_NEW: Notes = { seen: null, evidence: null, absentChecks: null }

/**
 * Decides from one observation. Only a final receipt confirms or fails; only repeated agreement of fresh nodes
 * replaces or expires; only a look that found no receipt spends an attempt; an unavailable chain, or a receipt that is
 * not final yet, changes nothing but the time of the next look.
 */
export function decide(
  observation: Observation,
  policy: FinalityPolicy,
  transaction: LookedAt,
  now: Date,
): Decision {
  const nextCheckInMs = policy.stalledCheckIntervalMs
  if (observation.kind === 'unavailable')
    return decideUnavailable(observation.error, policy, transaction, now)
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
    return decideNotFinal(observation, policy, transaction, now)
  }
  const { replacement, providers, inPool, seen } = observation
  const { status } = transaction
  if (replacement.length >= policy.witnesses && (status === 'pending' || status === 'stalled')) {
    const evidence = addLook(transaction.evidence, replacement, now)
    if (isReplaced(evidence, policy.replacement)) return { kind: 'replace', evidence, nextCheckInMs }
    return decideAbsent({ seen, evidence, absentChecks: null }, policy, transaction, now)
  }
  if (status === 'stalled' && !inPool && providers >= policy.witnesses) {
    const absentChecks = transaction.absentChecks + 1
    const stalledForMs = transaction.stalledAt ? now.getTime() - transaction.stalledAt.getTime() : 0
    if (absentChecks >= ABSENCES_TO_EXPIRE && stalledForMs >= policy.expireAfterMs) {
      return { kind: 'expire', nextCheckInMs }
    }
    return keep({ ...refuted(transaction, seen), absentChecks }, policy, transaction, now)
  }
  return decideAbsent(refuted(transaction, seen), policy, transaction, now)
}

/** A check that does not agree with those before it voids their evidence: they must agree without a break. */
function refuted({ evidence, absentChecks, status }: LookedAt, seen: SeenTransaction | null): Notes {
  const wasCollecting = status === 'pending' || status === 'stalled'
  return {
    seen,
    evidence: wasCollecting && evidence.length > 0 ? [] : null,
    absentChecks: absentChecks > 0 ? 0 : null,
  }
}

type ReceiptObservation = Extract<Observation, { kind: 'receipt' }>

function isFinal(observation: ReceiptObservation, policy: FinalityPolicy): boolean {
  return missingBlocks(observation, policy) <= 0
}

/** Blocks that must still follow the receipt's block. */
function missingBlocks({ headNumber, receipt }: ReceiptObservation, policy: FinalityPolicy): number {
  const following = Math.max(0, headNumber - receipt.blockNumber)
  return policy.finalityDepthBlocks - following
}

/**
 * The receipt is there, so waiting for the blocks on top of it spends no attempt: RETRY_LIMIT says nothing about the
 * depth. The fewer blocks are missing, the sooner it is checked again.
 */
function decideNotFinal(
  observation: ReceiptObservation,
  policy: FinalityPolicy,
  transaction: LookedAt,
  now: Date,
): Decision {
  const { status, retryCount } = transaction
  const notes = refuted(transaction, null)
  if (status !== 'pending') return keep(notes, policy, transaction, now)
  return {
    kind: 'wait',
    reason: 'not-final',
    delayMs: retryDelayMs(policy.retryDelaysMs, missingBlocks(observation, policy) - 1),
    retryCount,
    consecutiveErrors: 0,
    error: null,
    notes,
  }
}

function decideUnavailable(
  error: string,
  policy: FinalityPolicy,
  transaction: LookedAt,
  now: Date,
): Decision {
  const { status, retryCount, consecutiveErrors } = transaction
  if (status !== 'pending') return keep(NOTHING_NEW, policy, transaction, now, error)
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

function decideAbsent(notes: Notes, policy: FinalityPolicy, transaction: LookedAt, now: Date): Decision {
  const { status, retryCount } = transaction
  if (status !== 'pending') return keep(notes, policy, transaction, now)
  const reason = 'receipt-absent'
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

/**
 * What is stalled is checked as long as it is; what is `replaced` or `expired` for a day. A check that a recheck asked
 * for is made again until a node has answered.
 */
function keep(
  notes: Notes,
  policy: FinalityPolicy,
  { status, settledAt }: LookedAt,
  now: Date,
  error: string | null = null,
): Decision {
  const endedForMs = settledAt ? now.getTime() - settledAt.getTime() : 0
  const isOver = status !== 'stalled' && error === null && endedForMs >= CHECKED_AFTER_END_MS
  return { kind: 'keep', nextCheckInMs: isOver ? null : policy.stalledCheckIntervalMs, error, notes }
}

/** Looks after which a transaction that is still absent is looked at more closely. */
const LOOKS_BEFORE_SUSPICION = 2

/** What the next look at a transaction should find out. */
export function queryFor(
  transaction: Pick<Transaction, 'txHash' | 'status' | 'retryCount' | 'seen' | 'evidence'>,
): Query {
  const { txHash, status, retryCount, seen, evidence } = transaction
  return {
    txHash,
    // Never what the caller claimed: a nonce that is off by one would be evidence against a good transaction.
    known: seen,
    thorough: status !== 'pending' || retryCount >= LOOKS_BEFORE_SUSPICION || evidence.length > 0,
  }
}
