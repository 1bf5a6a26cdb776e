/** The unit of all times of the histories: long enough that what a real database needs does not count. */
export const UNIT_MS = 60_000

/** The policy that histories run under: as in production, with low limits so that they are reached. */
export const MODEL_POLICY = {
  retryDelaysMs: [UNIT_MS, 2 * UNIT_MS],
  retryLimit: 4,
  sweepGraceMs: 4 * UNIT_MS,
  stalledCheckIntervalMs: 6 * UNIT_MS,
  expireAfterMs: 15 * UNIT_MS,
  witnesses: 1,
  slowCheckLeaseMs: 6 * UNIT_MS,
  // One at a time: of what is done at once the order is not the same from run to run.
  slowChecksAtOnce: 1,
  replacement: { looks: 3, spanMs: 2 * UNIT_MS },
  handlerRetryLimit: 2,
  handlerTimeoutMs: 30_000,
} as const

/** The table queue's lease. */
export const MODEL_LEASE_MS = 3 * UNIT_MS
