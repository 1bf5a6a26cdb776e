import type { WaitReason } from './finality.ts'

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
export interface Look {
  /** ISO 8601. */
  readonly at: string
  readonly saw: Sighting
  /** Those that answered; empty if none did. */
  readonly nodes: readonly string[]
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
    reason: { ...NullableString, description: 'why it waits' },
    delayMs: { ...NullableInteger, description: 'until the next look' },
    error: NullableString,
  },
} as const
