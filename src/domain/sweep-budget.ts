/** Due checks in the queue up to which a sweep fills it. */
const FILLED_CHECKS = 2_000
/** What a sweep publishes again however long the queue is: ten messages, some hundredths of what a worker handles meanwhile. */
const LEAST_CHECKS = 200

/**
 * Checks that one sweep publishes again. What is overdue while the queue is long is probably in it, so it is not filled
 * any further; but a queue that is always busy must not keep a lost check away, so some always are. The oldest are
 * taken first, and each at most once in a grace: what is in the queue leaves it in the order of its age, so what is
 * lost soon is the oldest, and the copies of what is not lost stay few however long the queue is.
 * @param backlog due checks in the queue, at most
 */
export function republishBudget(backlog: number): number {
  return Math.max(LEAST_CHECKS, FILLED_CHECKS - backlog)
}

/** Bounds what slow checks hold of the database's connections and of memory. */
const MOST_SLOW_CHECKS = 100

/**
 * Slow checks that one worker makes at once: they leave half of the calls to a node to the checks of the queue, so that
 * these are not held up where a node takes no batches.
 */
export function slowChecksAtOnce(rpcMaxInFlight: number): number {
  return Math.min(MOST_SLOW_CHECKS, Math.max(1, Math.floor(rpcMaxInFlight / 2)))
}

/** Calls that the slowest check makes one after the other. */
const CALLS_OF_A_CHECK = 5

/**
 * How long a row whose slow check was begun is not taken again: for the interval, or, where that is shorter, for as long
 * as a check and its business write may take. A second check would void the first one. All in ms.
 */
export function slowCheckLeaseMs(limits: {
  readonly stalledCheckIntervalMs: number
  readonly handlerTimeoutMs: number
  readonly rpcTimeoutMs: number
}): number {
  const { stalledCheckIntervalMs, handlerTimeoutMs, rpcTimeoutMs } = limits
  return Math.max(stalledCheckIntervalMs, handlerTimeoutMs + CALLS_OF_A_CHECK * rpcTimeoutMs)
}
