export interface BatchSizeOptions {
  /** Most calls in one request. */
  readonly maxCalls: number
  readonly nowMs: () => number
}

/** Why a batch is thought to have failed, once its calls were answered in smaller ones. */
export type BatchFailure =
  /** The node refused it for its size: it said so, or it refuses others of the size too. */
  | 'size'
  /** It took too long, while smaller ones did not. */
  | 'timeout'
  /** Anything that may be chance. */
  | 'unknown'

/** How many calls a node takes in one request, as far as that was learned. */
export interface BatchSize {
  /** Most calls in the next request. 1: the calls are sent one by one. */
  current(): number
  /** Whether a batch of so many calls, or more, was answered in the last ten minutes. */
  isProven(calls: number): boolean
  /** A batch of so many calls was answered. */
  succeeded(calls: number): void
  /** A batch of so many calls failed as a whole, and its calls were answered in batches of `fits`. */
  failed(calls: number, failure: BatchFailure, fits: number): void
  /** A batch of so many calls failed, and why was not found out. Nothing if the size is proven: it was chance. */
  shrink(calls: number): void
}

/** For so long a size that was refused is not tried again. Behind a load balancer the next node may take more. */
const REFUSED_MS = 600_000
/** Full batches after which one that is a little larger is tried, where a size was refused. */
const FULL_BATCHES_TO_GROW = 20
/** Time-outs in a row after which a size that was answered before counts as refused: one may be chance. */
const TIMEOUTS_TO_REFUSE = 3
/** One time-out of so few calls says nothing of their number. */
const MAX_SMALL_BATCH = 8

/**
 * Learns the size by what failed and what was answered. A size that was refused is not tried for ten minutes, and
 * approached slowly; after a failure that may be chance, a size that is not proven is halved, and doubles with each full
 * batch, up to what it was. A noisy node would otherwise end at small batches or single calls, each of which needs three
 * requests that succeed.
 */
export function createBatchSize({ maxCalls, nowMs }: BatchSizeOptions): BatchSize {
  let limit = maxCalls
  /** What the limit doubles up to after failures that may be chance. */
  let steady = maxCalls
  let refused: { readonly calls: number; readonly untilMs: number } | null = null
  let proven = { calls: 0, atMs: Number.NEGATIVE_INFINITY }
  let timeouts = { calls: Number.POSITIVE_INFINITY, inARow: 0 }
  let fullBatches = 0

  function refusedCalls(): number | null {
    if (refused && nowMs() >= refused.untilMs) refused = null
    return refused?.calls ?? null
  }

  function isProven(calls: number): boolean {
    return proven.calls >= calls && nowMs() - proven.atMs < REFUSED_MS
  }

  function refuse(calls: number, fits: number): void {
    steady = Math.max(1, Math.min(steady, fits))
    limit = Math.min(limit, steady)
    refused = { calls: Math.min(calls, refusedCalls() ?? calls), untilMs: nowMs() + REFUSED_MS }
    if (proven.calls >= calls) proven = { calls: fits, atMs: nowMs() }
  }

  function shrink(calls: number): void {
    if (isProven(calls)) return
    limit = Math.max(1, Math.min(limit, Math.floor(calls / 2)))
    fullBatches = 0
  }

  function grow(): void {
    const ceiling = refusedCalls()
    if (limit < steady) limit = Math.min(steady, limit * 2)
    else if (ceiling === null) limit = Math.min(maxCalls, limit * 2)
    else if (fullBatches >= FULL_BATCHES_TO_GROW) {
      fullBatches = 0
      limit = Math.max(limit, Math.min(ceiling - 1, limit + Math.max(1, Math.floor(limit / 10))))
    }
    steady = Math.max(steady, limit)
  }

  return {
    current: () => limit,
    isProven,
    succeeded: (calls) => {
      if (!isProven(calls) || calls >= proven.calls) proven = { calls, atMs: nowMs() }
      if (calls >= timeouts.calls) timeouts = { calls: Number.POSITIVE_INFINITY, inARow: 0 }
      if (calls < limit) return
      fullBatches += 1
      grow()
    },
    failed: (calls, failure, fits) => {
      fullBatches = 0
      if (failure === 'timeout') {
        timeouts = { calls: Math.min(calls, timeouts.calls), inARow: timeouts.inARow + 1 }
      }
      const isTooSlow =
        failure === 'timeout' &&
        (timeouts.inARow >= TIMEOUTS_TO_REFUSE || (calls > MAX_SMALL_BATCH && !isProven(calls)))
      if (failure === 'size' || isTooSlow) refuse(calls, fits)
      else shrink(calls)
    },
    shrink,
  }
}
