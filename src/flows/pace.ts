/** When to ask for the next block, learned from when the last ones came. Times in ms. */
export interface Pace {
  /** A block was seen for the first time. */
  saw(nowMs: number): void
  /** How long to wait before asking again. */
  waitMs(nowMs: number): number
}

/** Asked at least this often, unless the chain has shown a steady beat and no block can be due. */
const LONGEST_WAIT_MS = 250
const SHORTEST_WAIT_MS = 15
/** Asked from this long before a block is due. */
const EARLY_MS = 5
const BEATS_KEPT = 8

/**
 * A chain like Kaia's has a beat of 1 s: between two of them nothing can come, so nothing is asked, and around the
 * next one it is asked often. The later a block is, the longer the waits, as far as 250 ms. Without a steady beat
 * it is asked every 250 ms at least.
 */
export function createPace(): Pace {
  let lastMs: number | null = null
  let beats: number[] = []

  /** The shortest of the last beats, if they are enough and all alike; else null. */
  function beatMs(): number | null {
    if (beats.length < BEATS_KEPT) return null
    const [shortest, longest] = [Math.min(...beats), Math.max(...beats)]
    return longest - shortest <= shortest / 4 ? shortest : null
  }

  return {
    saw: (nowMs) => {
      if (lastMs !== null) beats = [...beats, nowMs - lastMs].slice(-BEATS_KEPT)
      lastMs = nowMs
    },
    waitMs: (nowMs) => {
      const sinceMs = lastMs === null ? Number.POSITIVE_INFINITY : nowMs - lastMs
      const beat = beatMs()
      const untilDueMs = (beat ?? 0) - EARLY_MS - sinceMs
      if (beat !== null && untilDueMs > 0) return untilDueMs
      // A late block is asked for ever less often: it may be late by seconds.
      const lateMs = beat === null ? sinceMs : sinceMs - beat
      return Math.min(LONGEST_WAIT_MS, Math.max(SHORTEST_WAIT_MS, lateMs / 8))
    },
  }
}
