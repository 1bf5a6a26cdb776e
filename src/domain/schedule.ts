/** Delays of the wait tiers in ms, at least one; the last repeats. */
export type RetryDelaysMs = readonly [number, ...number[]]

/** The delay after the `count`-th fruitless try, counted from 0. */
export function retryDelayMs(delaysMs: RetryDelaysMs, count: number): number {
  return delaysMs[Math.min(count, delaysMs.length - 1)] ?? delaysMs[0]
}

export function longestDelayMs(delaysMs: RetryDelaysMs): number {
  return Math.max(...delaysMs)
}

/** The shortest delay that is not over before `remainingMs`, or the longest there is. */
export function delayCovering(delaysMs: RetryDelaysMs, remainingMs: number): number {
  const longEnough = delaysMs.filter((delayMs) => delayMs >= remainingMs)
  return longEnough.length > 0 ? Math.min(...longEnough) : longestDelayMs(delaysMs)
}
