import { setTimeout as sleep } from 'node:timers/promises'
import type { BlockSource, Cursor, FinalBlock } from '../domain/block.ts'
import type { FollowPolicy } from './follow-policy.ts'
import { createFollowedHashes, type FollowedHashes } from './followed-hashes.ts'
import { createPace } from './pace.ts'
import { createBlockReader, isReadable, type NextBlocks, type ReadBlocksDependencies } from './read-blocks.ts'
import {
  createBlockSettler,
  type FoundBlock,
  type FoundTransaction,
  type SettleBlocksDependencies,
} from './settle-blocks.ts'

export interface FollowDependencies extends ReadBlocksDependencies, SettleBlocksDependencies {
  readonly blocks: BlockSource
  readonly store: SettleBlocksDependencies['store'] & {
    readCursor(chain: string): Promise<Cursor | null>
    /** Moves the cursor on, never back. */
    saveCursor(chain: string, cursor: Cursor): Promise<void>
    /** Moves the cursor back, never on. */
    rewindCursor(chain: string, cursor: Cursor): Promise<void>
    /** When the oldest transaction was recorded that is checked for its first verdict; null if there is none. */
    oldestOpen(chain: string): Promise<Date | null>
    findOpen(chain: string, txHashes: readonly string[]): Promise<FoundTransaction[]>
    /** Schedules a check of each `expired` and `replaced` transaction within `spreadMs`; returns how many. */
    scheduleEndedChecks(chain: string, options: { spreadMs: number; batchSize: number }): Promise<number>
  }
  readonly policy: FollowPolicy
  readonly observer: SettleBlocksDependencies['observer'] & {
    /** The cursor is saved: this block will not be met again. */
    passed(blockNumber: number): void
    skipped(blocks: number): void
  }
}

export interface Follower {
  /**
   * Follows the chain block by block, from the cursor on, until `signal` aborts. Rejects with CannotFollowError if it
   * did not succeed for a while. Does not wait for what is being settled then.
   */
  follow(signal: AbortSignal): Promise<void>
  /** Resolves when nothing is being settled any more. */
  ended(): Promise<void>
}

/** This process can't follow the chain; another one may. */
export class CannotFollowError extends Error {
  override readonly name = 'CannotFollowError'
}

/** A backend may register a transaction a while after it was included. */
const REGISTERED_LATE_MS = 60_000
const PAUSE_MS = 500
const GAP_CHECK_BATCH_SIZE = 1_000

/**
 * Finds our transactions in the blocks of the chain and settles them. This is for speed: the queue is the guarantee.
 * What of a block has no message in the queue (`stalled`, `expired`, `replaced`) is first made due for a check, then the
 * cursor is saved, and only then is anything settled. So nothing that a transaction or a block does holds up the blocks
 * after it, and a process that dies of one does not meet it again.
 */
export function createFollower(dependencies: FollowDependencies): Follower {
  const { chain, blocks, store, policy, observer, log, clock } = dependencies
  const settler = createBlockSettler(dependencies)

  async function follow(signal: AbortSignal): Promise<void> {
    const pace = createPace()
    const reader = createBlockReader(dependencies)
    const followed = createFollowedHashes(policy.maxGapBlocks)
    let cursor: Cursor | null = null
    let failingSinceMs: number | null = null

    while (!signal.aborted) {
      try {
        cursor ??= await begin()
        const next = await reader.readAfter(cursor)
        switch (next.kind) {
          case 'blocks':
            pace.saw(clock().getTime())
            cursor = await pass(next.blocks, signal)
            for (const block of next.blocks) followed.add(block)
            break
          case 'none':
            await blocks.wait(cursor.blockNumber + 1, pace.waitMs(clock().getTime()), signal)
            break
          case 'gone':
            cursor = await goBack(cursor, next, followed)
            await sleep(PAUSE_MS, undefined, { signal })
            break
          case 'unreadable':
            cursor = await skip(
              cursor.blockNumber + 1,
              next.readable - 1,
              'no node could give them',
              next.error,
            )
            followed.clear()
        }
        if (failingSinceMs !== null) {
          log.info({ chain, cursor: cursor.blockNumber }, 'following the chain again')
        }
        failingSinceMs = null
      } catch (error) {
        if (signal.aborted) return
        const nowMs = clock().getTime()
        if (failingSinceMs === null) {
          log.warn(
            { err: error, chain, cursor: cursor?.blockNumber },
            'chain not followed; trying again. Meanwhile the queue settles what is checked',
          )
        }
        failingSinceMs ??= nowMs
        const failingMs = nowMs - failingSinceMs
        if (failingMs >= policy.giveUpMs) {
          throw new CannotFollowError(`the chain could not be followed for ${failingMs} ms`, { cause: error })
        }
        await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** Right after the cursor, unless the gap is too large. Where there is no cursor, at the oldest open transaction. */
  async function begin(): Promise<Cursor> {
    const newest = await blocks.newest()
    const saved = await store.readCursor(chain)
    if (saved && newest - saved.blockNumber <= policy.maxGapBlocks) return begun(saved, newest)
    if (!(await isReadable(blocks, newest))) {
      throw new Error(
        `block ${newest} is said to be the newest, but can't be read; nothing is skipped up to it`,
      )
    }
    const wanted = saved ? saved.blockNumber + 1 : await firstNeeded(newest)
    const first = Math.max(wanted, newest - policy.maxGapBlocks + 1, 0)
    if (wanted < first) {
      const reason = `at most ${policy.maxGapBlocks} are made up for`
      return begun(await skip(wanted, first - 1, reason, null), newest)
    }
    // Nobody followed until now, and the blocks before are not looked at.
    await scheduleEndedChecks()
    return begun({ blockNumber: first - 1, hash: null }, newest)
  }

  function begun(cursor: Cursor, newest: number): Cursor {
    log.info({ chain, first: cursor.blockNumber + 1, newest }, 'following the chain')
    return cursor
  }

  async function firstNeeded(newest: number): Promise<number> {
    const oldest = await store.oldestOpen(chain)
    return oldest ? blocks.firstSince(oldest.getTime() - REGISTERED_LATE_MS) : newest
  }

  async function pass(read: readonly FinalBlock[], signal: AbortSignal): Promise<Cursor> {
    const batch = await Promise.all(
      read.map(async (block): Promise<FoundBlock> => {
        return { block, found: await store.findOpen(chain, block.txHashes) }
      }),
    )
    const withoutMessage = batch.flatMap(({ found }) =>
      found.flatMap(({ transaction: { id, status } }) => (status === 'pending' ? [] : [id])),
    )
    if (withoutMessage.length > 0) await store.wakeWatched(withoutMessage)
    const last = read.at(-1)
    if (!last) throw new Error('no blocks were given')
    const cursor = { blockNumber: last.number, hash: last.hash }
    await store.saveCursor(chain, cursor)
    observer.passed(last.number)
    await settler.begin(batch, signal)
    return cursor
  }

  /** To what is still there of the blocks that were followed; where that is not known, as far as a gap may be. */
  async function goBack(
    cursor: Cursor,
    { foundHash, newest }: Extract<NextBlocks, { kind: 'gone' }>,
    followed: FollowedHashes,
  ): Promise<Cursor> {
    const common = await followed.newestStillThere(newest, blocks)
    const back = common ?? { blockNumber: Math.max(0, newest - policy.maxGapBlocks), hash: null }
    // The fork may be older than what is followed again.
    if (!common) await scheduleEndedChecks()
    await store.rewindCursor(chain, back)
    log.warn(
      {
        chain,
        blockNumber: cursor.blockNumber,
        followedHash: cursor.hash,
        foundHash,
        next: back.blockNumber + 1,
        blocks: cursor.blockNumber - back.blockNumber,
      },
      'a followed block is not on the chain any more: going back, and following again from an earlier one. No verdict ' +
        'is undone by this. If it happens again, check that all RPC_URLS are in sync and on one chain',
    )
    return back
  }

  async function skip(from: number, to: number, reason: string, error: unknown): Promise<Cursor> {
    const checks = await scheduleEndedChecks()
    const cursor = { blockNumber: to, hash: null }
    await store.saveCursor(chain, cursor)
    observer.skipped(to - from + 1)
    log.warn(
      { chain, from, to, blocks: to - from + 1, checks, ...(error === null ? {} : { err: error }) },
      `blocks skipped: ${reason}. The queue checks what is pending; each expired or replaced transaction is checked ` +
        `once within ${policy.gapCheckSpreadMs} ms`,
    )
    return cursor
  }

  function scheduleEndedChecks(): Promise<number> {
    const spreadMs = policy.gapCheckSpreadMs
    return store.scheduleEndedChecks(chain, { spreadMs, batchSize: GAP_CHECK_BATCH_SIZE })
  }

  return { follow, ended: settler.ended }
}
