import type { BlockSource, Cursor } from '../domain/block.ts'

/** The hashes of the blocks that this process followed of late. */
export interface FollowedHashes {
  add(block: { readonly number: number; readonly hash: string }): void
  /** After a jump: what was followed before does not lead to what comes now. */
  clear(): void
  /**
   * The newest followed block, not after `from`, that is still on the chain of the node that serves now, found in
   * steps of 1, 2, 4, …: blocks between it and the first that is not are not compared. Null if none of those
   * remembered is.
   */
  newestStillThere(from: number, blocks: Pick<BlockSource, 'hashAt'>): Promise<Cursor | null>
}

/** @param maxBlocks older blocks are forgotten */
export function createFollowedHashes(maxBlocks: number): FollowedHashes {
  const hashes = new Map<number, string>()
  return {
    add: ({ number, hash }) => {
      hashes.set(number, hash)
      hashes.delete(number - maxBlocks)
    },
    clear: () => hashes.clear(),
    newestStillThere: async (from, blocks) => {
      let blockNumber = from
      for (let step = 1; ; step *= 2) {
        const hash = hashes.get(blockNumber)
        if (hash === undefined) return null
        if ((await blocks.hashAt(blockNumber)) === hash) return { blockNumber, hash }
        blockNumber -= step
      }
    },
  }
}
