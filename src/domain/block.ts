import type { Receipt } from './receipt.ts'

/** A block that is final, with the hashes of its transactions. */
export interface FinalBlock {
  readonly number: number
  readonly hash: string
  readonly parentHash: string
  readonly timeMs: number
  readonly txHashes: readonly string[]
  /** The node that gave it, and the head that it had then. */
  readonly node: string
  readonly headNumber: number
}

/** The blocks of the chain, in their order, from whichever node serves best. Everything rejects if none does. */
export interface BlockSource {
  /** The newest final block's number. */
  newest(): Promise<number>
  /** The first final block that is not older than a time; the newest if all are. */
  firstSince(timeMs: number): Promise<number>
  /** The final blocks from this number on, as far as there are any; at most `limit`. Each is the next one's parent. */
  read(from: number, limit: number): Promise<readonly FinalBlock[]>
  /** The canonical hash at this height at the node that serves now; null if it has no such block. */
  hashAt(blockNumber: number): Promise<string | null>
  /** Waits for so long, or until the block is said to be there: only then may asking for it be of use sooner. */
  wait(blockNumber: number, timeoutMs: number, signal: AbortSignal): Promise<void>
  /** Receipts of these transactions of the block, from the node that gave it; without those it can't give. */
  receiptsOf(block: FinalBlock, txHashes: readonly string[]): Promise<readonly Receipt[]>
}

/** How far the blocks of a chain were followed. */
export interface Cursor {
  /** The newest block that was followed, or skipped. */
  readonly blockNumber: number
  /** Its hash, which the next block must name as its parent; null where it is not known. */
  readonly hash: string | null
}
