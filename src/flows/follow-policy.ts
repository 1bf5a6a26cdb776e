/** The limits of following the chain. */
export interface FollowPolicy {
  /** A larger gap is skipped but for its newest blocks. */
  readonly maxGapBlocks: number
  /** Transactions that are being settled, beyond which a block's are left to the queue; one block may exceed it. */
  readonly maxInFlight: number
  /** How long to wait for room before that. */
  readonly inFlightPatienceMs: number
  /** A block that could not be read for so long is skipped if a newer one can be read. Less than `giveUpMs`. */
  readonly unreadableMs: number
  /** Without a new block for so long, it is asked whether the followed one is still there. */
  readonly quietMs: number
  /** The followed block is taken for non-existent if nodes that are up to date lack it for so long. */
  readonly missingMs: number
  /** Without a success for so long, following ends, so that another process can lead. */
  readonly giveUpMs: number
  /** The checks that a gap asks for are spread over so long. */
  readonly gapCheckSpreadMs: number
}

export const FOLLOW_POLICY: FollowPolicy = {
  // Three hours of Kaia.
  maxGapBlocks: 10_000,
  maxInFlight: 5_000,
  inFlightPatienceMs: 5_000,
  unreadableMs: 10_000,
  quietMs: 5_000,
  missingMs: 60_000,
  giveUpMs: 15_000,
  gapCheckSpreadMs: 600_000,
}
