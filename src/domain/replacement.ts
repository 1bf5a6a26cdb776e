/**
 * One sighting that the sender's nonce was used up by another transaction: at this node, with this head, no
 * receipt and no pending transaction of our hash, and a confirmed nonce beyond ours.
 */
export interface NonceSighting {
  readonly node: string
  readonly headNumber: number
  /** The sender's confirmed nonce. */
  readonly nonce: number
}

/** All sightings of one check, one of each provider, with when the check was made by the database's clock (ISO 8601). */
export type ReplacementLook = readonly (NonceSighting & { readonly at: string })[]

export interface ReplacementPolicy {
  /** Looks that must agree. */
  readonly looks: number
  /** Time between the first and the last of them. */
  readonly spanMs: number
}

/**
 * One look is not enough: behind a load balancer a lagging node may miss the receipt while a fresh one has
 * the nonce, and 26 good transactions in a row were once finalised as failed that way.
 */
export const REPLACEMENT_POLICY: ReplacementPolicy = { looks: 3, spanMs: 10_000 }

/** Looks that are kept as evidence: the first, for the span, and the latest. */
const LOOKS_KEPT = 10

export function addLook(
  evidence: readonly ReplacementLook[],
  sightings: readonly NonceSighting[],
  now: Date,
): readonly ReplacementLook[] {
  const look = sightings.map((sighting) => ({ ...sighting, at: now.toISOString() }))
  const [first, ...later] = [...evidence, look]
  return first === undefined ? [look] : [first, ...later.slice(1 - LOOKS_KEPT)]
}

/** Whether the looks, in their order and uncontradicted, are enough to call the transaction replaced. */
export function isReplaced(evidence: readonly ReplacementLook[], policy: ReplacementPolicy): boolean {
  const first = evidence[0]?.[0]
  const last = evidence.at(-1)?.[0]
  if (evidence.length < policy.looks || !first || !last) return false
  return Date.parse(last.at) - Date.parse(first.at) >= policy.spanMs
}
