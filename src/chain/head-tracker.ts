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
  /** Whether the chain can have come this far since any of the nodes last showed its head. */
  isPlausible(head: Header): boolean
}

/** A node that is not heard of for so long no longer says how far the chain is: it may have been wrong. */
const FORGET_AFTER_MS = 60_000
/** What a head may be ahead of the best known one, and how much more for each second since that was seen. */
const MAX_LEAP_BLOCKS = 1_000
const MAX_BLOCKS_PER_SECOND = 20

export function createHeadTracker({ maxLagBlocks, maxAgeMs, clock }: HeadTrackerOptions): HeadTracker {
  const latest = new Map<string, { number: number; seenAtMs: number }>()

  function bestNumber(nowMs: number): number {
    const recent = [...latest.values()].filter(({ seenAtMs }) => nowMs - seenAtMs <= FORGET_AFTER_MS)
    return Math.max(0, ...recent.map(({ number }) => number))
  }

  return {
    saw: (node, { number }) => {
      latest.set(node, { number, seenAtMs: clock().getTime() })
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
      return [...latest.values()].some(({ number, seenAtMs }) => {
        const elapsedS = Math.max(0, nowMs - seenAtMs) / 1_000
        return head.number <= number + MAX_LEAP_BLOCKS + MAX_BLOCKS_PER_SECOND * elapsedS
      })
    },
  }
}
