import type { BlockSource, Cursor, FinalBlock } from '../domain/block.ts'
import type { FollowPolicy } from './follow-policy.ts'
import type { Log } from './ports.ts'

export interface ReadBlocksDependencies {
  readonly chain: string
  readonly blocks: BlockSource
  readonly policy: Pick<FollowPolicy, 'missingMs' | 'quietMs' | 'unreadableMs'>
  readonly log: Log
  readonly clock: () => Date
}

/** What there is after the followed block. */
export type NextBlocks =
  /** At least one; each is the child of the one before, the first of the followed block. */
  | { readonly kind: 'blocks'; readonly blocks: readonly FinalBlock[] }
  | { readonly kind: 'none' }
  /**
   * The followed block is not on the chain: another one is at its height (its hash), or the chain does not reach so far
   * (null). `newest` is the newest block that may have been followed and still be there.
   */
  | { readonly kind: 'gone'; readonly foundHash: string | null; readonly newest: number }
  /** The next block can't be had, but a newer one can. */
  | { readonly kind: 'unreadable'; readonly error: unknown; readonly readable: number }

/** Blocks that are read together while the follower catches up. */
const BLOCKS_AT_ONCE = 20

export interface BlockReader {
  /** Rejects if no node gives them, nor newer ones. */
  readAfter(followed: Cursor): Promise<NextBlocks>
}

/** Reads what follows a block, and finds out whether that block is still on the chain. */
export function createBlockReader(dependencies: ReadBlocksDependencies): BlockReader {
  const { chain, blocks, policy, log, clock } = dependencies
  let limit = BLOCKS_AT_ONCE
  let askedAtMs = Number.NEGATIVE_INFINITY
  let missingSinceMs: number | null = null
  let unreadableSinceMs: number | null = null

  async function readAfter(followed: Cursor): Promise<NextBlocks> {
    try {
      const next = await tryToRead(followed)
      unreadableSinceMs = null
      return next
    } catch (error) {
      const nowMs = clock().getTime()
      unreadableSinceMs ??= nowMs
      if (nowMs - unreadableSinceMs < policy.unreadableMs) throw error
      const readable = await findReadable(followed.blockNumber + 1).catch(() => null)
      if (readable === null) throw error
      unreadableSinceMs = null
      return { kind: 'unreadable', error, readable }
    }
  }

  /**
   * A block after one that can't be read, or null if not even the newest can be, and so the nodes are to blame. Found in
   * steps of 1, 2, 4, …: where many can't be read, some that could be are passed over too.
   */
  async function findReadable(unreadable: number): Promise<number | null> {
    const newest = await blocks.newest()
    if (newest <= unreadable || !(await isReadable(blocks, newest))) return null
    for (let step = 1; unreadable + step < newest; step *= 2) {
      if (await isReadable(blocks, unreadable + step)) return unreadable + step
    }
    return newest
  }

  async function tryToRead(followed: Cursor): Promise<NextBlocks> {
    const next = followed.blockNumber + 1
    const count = limit
    // A block that can't be read must not take those before it along: one by one, until it is behind us.
    limit = 1
    const read = await blocks.read(next, count)
    if (read.length === 0) {
      limit = BLOCKS_AT_ONCE
      return lookForFollowed(followed)
    }
    const children = childrenOf(followed, read)
    if (children.length === 0) return lookForParent(followed, read[0])
    limit = Math.min(BLOCKS_AT_ONCE, count * 2)
    askedAtMs = clock().getTime()
    missingSinceMs = null
    return { kind: 'blocks', blocks: children }
  }

  async function lookForParent(followed: Cursor, child: FinalBlock | undefined): Promise<NextBlocks> {
    const { blockNumber, hash } = followed
    const foundHash = await blocks.hashAt(blockNumber)
    if (foundHash !== null && foundHash !== hash) {
      return { kind: 'gone', foundHash, newest: blockNumber - 1 }
    }
    throw new Error(
      `the node ${child?.node} gave block ${child?.number} with the parent ${child?.parentHash} after block ` +
        `${blockNumber}, which is ${hash}`,
    )
  }

  /** A single answer that lacks the followed block is no proof: the node may be behind. */
  async function lookForFollowed({ blockNumber, hash }: Cursor): Promise<NextBlocks> {
    const nowMs = clock().getTime()
    if (blockNumber < 0 || nowMs - askedAtMs < policy.quietMs) return { kind: 'none' }
    const foundHash = await blocks.hashAt(blockNumber)
    askedAtMs = nowMs
    if (foundHash !== null) {
      missingSinceMs = null
      const isOther = hash !== null && foundHash !== hash
      return isOther ? { kind: 'gone', foundHash, newest: blockNumber - 1 } : { kind: 'none' }
    }
    const newest = await blocks.newest()
    if (newest >= blockNumber) {
      missingSinceMs = null
      return { kind: 'none' }
    }
    if (missingSinceMs === null) {
      missingSinceMs = nowMs
      log.warn(
        { chain, newest, cursor: blockNumber },
        'the chain is behind what was followed of it; until it has caught up only the queue works. If the nodes lack ' +
          `the followed block for ${policy.missingMs} ms, it is followed again from where they are. Check that ` +
          'RPC_URLS are in sync and on one chain',
      )
    }
    if (nowMs - missingSinceMs < policy.missingMs) return { kind: 'none' }
    missingSinceMs = null
    return { kind: 'gone', foundHash, newest }
  }

  return { readAfter }
}

/** Whether a node has a block at this height: its head alone may be a false answer. */
export async function isReadable(blocks: Pick<BlockSource, 'read'>, blockNumber: number): Promise<boolean> {
  const read = await blocks.read(blockNumber, 1).catch(() => [])
  return read[0]?.number === blockNumber
}

/** The blocks of the beginning that follow each other, the first of them the given one. */
function childrenOf(followed: Cursor, blocks: readonly FinalBlock[]): readonly FinalBlock[] {
  let parent = followed
  const end = blocks.findIndex(({ number, hash, parentHash }) => {
    const isChild = number === parent.blockNumber + 1 && (parent.hash === null || parentHash === parent.hash)
    parent = { blockNumber: number, hash }
    return !isChild
  })
  return end === -1 ? blocks : blocks.slice(0, end)
}
