import type { Decision, Observation } from './finality.ts'

/**
 * What a look at the chain showed, in one word. `receipt`: a final receipt; `receipt-not-final`: in a block that is not
 * final yet; `in-pool`: a node knows it, in no block; `absent`: no node knows it; `nonce-used`: absent, and its sender's
 * nonce is used up; `unavailable`: no node gave a usable answer, which says nothing.
 */
export const SIGHTINGS = [
  'receipt',
  'receipt-not-final',
  'in-pool',
  'absent',
  'nonce-used',
  'unavailable',
] as const
export type Sighting = (typeof SIGHTINGS)[number]

/** Why a transaction waits for the next look. */
export const WAIT_REASONS = ['receipt-absent', 'not-final', 'node-unavailable', 'handler-failed'] as const
export type WaitReason = (typeof WAIT_REASONS)[number]

/** What became of the transaction after a look. */
export const LOOK_OUTCOMES = [
  'confirmed',
  'failed',
  'replaced',
  'stalled',
  'expired',
  'waits',
  'parked',
  'stays',
] as const
export type LookOutcome = (typeof LOOK_OUTCOMES)[number]

/** One look at the chain, as it is kept with the transaction. */
export type Look = {
  /** ISO 8601. */
  readonly at: string
  readonly saw: Sighting
  /** Those that answered; empty if none did. */
  readonly nodes: string[]
  /** The head of the node that answered, read before the receipt. */
  readonly headNumber: number | null
  /** Of the receipt. */
  readonly blockNumber: number | null
  readonly outcome: LookOutcome
  /** Why it waits. */
  readonly reason: WaitReason | null
  /** Until the next look. */
  readonly delayMs: number | null
  /** What the nodes said instead of an answer, or the business write threw. */
  readonly error: string | null
}

/** What is kept of a look that led to this decision. */
export function lookOf(observation: Observation, decision: Decision, at: Date): Look {
  return {
    at: at.toISOString(),
    ...seenIn(observation, decision),
    ...becameOf(decision),
  }
}

/** The same where the verdict could not be committed, because the business write threw. */
export function failedWrite(look: Look, error: string, delayMs: number | null): Look {
  return { ...look, outcome: delayMs === null ? 'parked' : 'waits', reason: 'handler-failed', delayMs, error }
}

function seenIn(
  observation: Observation,
  decision: Decision,
): Pick<Look, 'saw' | 'nodes' | 'headNumber' | 'blockNumber'> {
  switch (observation.kind) {
    case 'unavailable':
      return { saw: 'unavailable', nodes: [], headNumber: null, blockNumber: null }
    case 'receipt': {
      const { node, headNumber, receipt } = observation
      const saw = decision.kind === 'settle' ? 'receipt' : 'receipt-not-final'
      return { saw, nodes: [node], headNumber, blockNumber: receipt.blockNumber }
    }
    case 'absent': {
      const { nodes, headNumber, inPool, replacement } = observation
      const saw = inPool ? 'in-pool' : replacement.length > 0 ? 'nonce-used' : 'absent'
      return { saw, nodes: [...nodes], headNumber, blockNumber: null }
    }
  }
}

function becameOf(decision: Decision): Pick<Look, 'outcome' | 'reason' | 'delayMs' | 'error'> {
  const nothing = { reason: null, delayMs: null, error: null }
  switch (decision.kind) {
    case 'settle':
      return { ...nothing, outcome: decision.status }
    case 'replace':
      return { ...nothing, outcome: 'replaced' }
    case 'wait': {
      const { reason, delayMs, error } = decision
      return { outcome: 'waits', reason, delayMs, error }
    }
    case 'stall':
      return { ...nothing, outcome: 'stalled', reason: decision.reason, delayMs: decision.nextCheckInMs }
    case 'expire':
      return { ...nothing, outcome: 'expired' }
    case 'keep':
      return { ...nothing, outcome: 'stays', delayMs: decision.nextCheckInMs, error: decision.error }
  }
}

/** Looks that are kept: the last ones. */
export const LOOKS_KEPT = 20

const NullableInteger = { type: ['integer', 'null'] } as const
const NullableString = { type: ['string', 'null'] } as const

export const LookView = {
  type: 'object',
  required: ['at', 'saw', 'nodes', 'headNumber', 'blockNumber', 'outcome', 'reason', 'delayMs', 'error'],
  properties: {
    at: { type: 'string', format: 'date-time' },
    saw: { type: 'string', enum: SIGHTINGS, description: 'unavailable: no node gave a usable answer' },
    nodes: { type: 'array', items: { type: 'string' }, description: 'those that answered' },
    headNumber: NullableInteger,
    blockNumber: { ...NullableInteger, description: 'of the receipt' },
    outcome: { type: 'string', enum: LOOK_OUTCOMES },
    reason: { ...NullableString, enum: [...WAIT_REASONS, null], description: 'why it waits' },
    delayMs: { ...NullableInteger, description: 'until the next look' },
    error: NullableString,
  },
} as const
