/** What a transaction became on the chain. */
export type Outcome = 'confirmed' | 'failed'

/** Where it ends: on the chain, or with its nonce used by another transaction of its sender. */
export type Ending = Outcome | 'replaced'

/** Where a transaction is in the chain. */
export interface Placement {
  readonly blockNumber: number
  readonly blockHash: string
  readonly index: number
  readonly outcome: Outcome
}

/** A chain with blocks of 1 s that holds what a drill plans for it. All nodes of a drill show this one. */
export interface DrillChain {
  /** The newest block that exists now. */
  head(): number
  /** Includes a transaction, or the one that replaces it, in the first block that comes after this time. */
  plan(txHash: string, ending: Ending, afterMs: number): void
  /** The transaction as a node whose head is `headNumber` shows it; null if it has none. */
  find(txHash: string, headNumber: number): Placement | null
  /** Whether the transaction was planned at all. */
  isPlanned(txHash: string): boolean
  /** Whether a node with this head has the transaction in its pool or in a block. */
  isKnown(txHash: string, headNumber: number): boolean
  /** Transactions of the sender up to this block. Each transaction has a sender of its own, and nonce 0. */
  nonceOf(sender: string, blockNumber: number): number
  blockHash(blockNumber: number): string
  /** Unix time of a block in s. */
  timestampS(blockNumber: number): number
  transactionsIn(blockNumber: number): readonly string[]
  /**
   * Replaces the newest `depth` blocks. What was in them is given to `replan`, which says how it comes back.
   * Returns the number of transactions that were taken out.
   */
  reorganise(depth: number, replan: (txHash: string) => { outcome: Outcome; afterMs: number }): number
}

/** The sender of a transaction of the drills. */
export function senderOf(txHash: string): string {
  return `0x${txHash.slice(-40)}`
}

const FIRST_BLOCK = 1_000
const BLOCK_MS = 1_000

/** @param mark a hexadecimal digit in the hashes of all blocks, by which they differ from those of other chains */
export function createDrillChain(mark = 'f'): DrillChain {
  const startedAt = Math.floor(Date.now() / BLOCK_MS) * BLOCK_MS
  const planned = new Map<string, { blockNumber: number; ending: Ending }>()
  const bySender = new Map<string, string>()
  const blocks = new Map<number, string[]>()
  const forks = new Map<number, number>()

  function head(): number {
    return FIRST_BLOCK + Math.floor((Date.now() - startedAt) / BLOCK_MS)
  }

  function plan(txHash: string, ending: Ending, afterMs: number): void {
    // Never into a block that exists: what a node has shown of a block does not change without a fork.
    const blockNumber = FIRST_BLOCK + Math.floor((Date.now() + afterMs - startedAt) / BLOCK_MS) + 1
    planned.set(txHash, { blockNumber, ending })
    bySender.set(senderOf(txHash), txHash)
    if (ending === 'replaced') return
    const hashes = blocks.get(blockNumber)
    if (hashes) hashes.push(txHash)
    else blocks.set(blockNumber, [txHash])
  }

  function blockHash(blockNumber: number): string {
    const fork = forks.get(blockNumber) ?? 0
    return `0x${fork.toString(16).padStart(32, mark)}${blockNumber.toString(16).padStart(32, '0')}`
  }

  return {
    head,
    plan,
    find: (txHash, headNumber) => {
      const found = planned.get(txHash)
      if (!found || found.ending === 'replaced' || found.blockNumber > headNumber) return null
      const { blockNumber, ending: outcome } = found
      const index = blocks.get(blockNumber)?.indexOf(txHash) ?? 0
      return { blockNumber, outcome, blockHash: blockHash(blockNumber), index }
    },
    isPlanned: (txHash) => planned.has(txHash),
    isKnown: (txHash, headNumber) => {
      const found = planned.get(txHash)
      if (!found) return false
      return found.ending !== 'replaced' || found.blockNumber > headNumber
    },
    nonceOf: (sender, blockNumber) => {
      const found = planned.get(bySender.get(sender) ?? '')
      return found && found.blockNumber <= blockNumber ? 1 : 0
    },
    blockHash,
    timestampS: (blockNumber) => (startedAt + (blockNumber - FIRST_BLOCK) * BLOCK_MS) / 1_000,
    transactionsIn: (blockNumber) => blocks.get(blockNumber) ?? [],
    reorganise: (depth, replan) => {
      const newest = head()
      const taken: string[] = []
      for (let blockNumber = newest - depth + 1; blockNumber <= newest; blockNumber++) {
        forks.set(blockNumber, (forks.get(blockNumber) ?? 0) + 1)
        taken.push(...(blocks.get(blockNumber) ?? []))
        blocks.delete(blockNumber)
      }
      for (const txHash of taken) {
        const { outcome, afterMs } = replan(txHash)
        plan(txHash, outcome, afterMs)
      }
      return taken.length
    },
  }
}
