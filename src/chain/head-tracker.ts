import type { Header } from './facts/block.ts'

export interface HeadTrackerOptions {
  /** A head behind the best known one by more blocks is stale. */
  readonly maxLagBlocks: number
  /** A head whose block is older is stale, whatever the other nodes show. */
  readonly maxAgeMs: number
  readonly clock: () => Date
}

/** Remembers how far the chain is, as far as any of our nodes showed. */
export interface HeadTracker {
  saw(node: string, head: Header): void
  /** Why the head is too old for "there is no receipt" to mean anything; null if it is fresh. */
  staleness(head: Header): string | null
  /**
   * Whether the chain can have come this far since any of the nodes last showed its head. One that has not would make
   * all others seem to lag.
   */
  isPlausible(head: Header): boolean
}

/** What was seen so long ago no longer says how far the chain is: it may have been wrong, or the chain begun anew. */
const FORGET_AFTER_MS = 60_000
/** How far a chain may come in a second, beside the lag that is allowed anyway. */
const MAX_BLOCKS_PER_SECOND = 20

interface SeenHead {
  readonly number: number
  readonly seenAtMs: number
}

export function createHeadTracker({ maxLagBlocks, maxAgeMs, clock }: HeadTrackerOptions): HeadTracker {
  /** Of each node the last one, and the highest of late: also of one node each answer may be of another machine. */
  const last = new Map<string, SeenHead>()
  const highest = new Map<string, SeenHead>()

  function isRecent({ seenAtMs }: SeenHead, nowMs: number): boolean {
    return nowMs - seenAtMs <= FORGET_AFTER_MS
  }

  function bestNumber(nowMs: number): number {
    const recent = [...last.values(), ...highest.values()].filter((seen) => isRecent(seen, nowMs))
    return Math.max(0, ...recent.map(({ number }) => number))
  }

  return {
    saw: (node, { number }) => {
      const seen = { number, seenAtMs: clock().getTime() }
      const before = highest.get(node)
      last.set(node, seen)
      if (!before || number >= before.number || !isRecent(before, seen.seenAtMs)) highest.set(node, seen)
    },
    staleness: (head) => {
      const nowMs = clock().getTime()
      const lagBlocks = bestNumber(nowMs) - head.number
      if (lagBlocks > maxLagBlocks) return `its head ${head.number} is ${lagBlocks} blocks behind`
      const ageMs = nowMs - head.timeMs
      if (ageMs > maxAgeMs) return `its head ${head.number} is ${Math.round(ageMs / 1000)} s old`
      return null
    },
    isPlausible: (head) => {
      const nowMs = clock().getTime()
      return [...last.values()].some(({ number, seenAtMs }) => {
        const elapsedS = Math.max(0, nowMs - seenAtMs) / 1_000
        return head.number <= number + maxLagBlocks + MAX_BLOCKS_PER_SECOND * elapsedS
      })
    },
  }
}
