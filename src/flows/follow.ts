import { setTimeout as sleep } from 'node:timers/promises'
import type { BlockSource, Cursor, FinalBlock } from '../domain/block.ts'
import type { Transaction } from '../domain/transaction.ts'
import type { Confirm } from './confirm.ts'
import { createPace } from './pace.ts'
import type { Log } from './ports.ts'

export interface FollowDependencies {
  readonly chain: string
  readonly blocks: BlockSource
  readonly store: {
    readCursor(chain: string): Promise<Cursor | null>
    saveCursor(chain: string, blockNumber: number): Promise<void>
    /** Counts an attempt at the blocks after the cursor; returns how many there were before. */
    beginBlocks(chain: string): Promise<number>
    /** When the oldest transaction without a verdict was recorded; null if there is none. */
    oldestOpen(chain: string): Promise<Date | null>
    findOpen(chain: string, txHashes: readonly string[]): Promise<Transaction[]>
    /** Lets the sweep look at these soon, if they are stalled or expired. */
    wakeWatched(ids: readonly string[]): Promise<void>
  }
  readonly confirm: Pick<Confirm, 'conclude'>
  readonly observer: {
    followed(block: { number: number; timeMs: number }, matches: number): void
    skipped(blocks: number): void
  }
  readonly log: Log
  readonly clock: () => Date
}

/** Blocks that are read together while it catches up. */
const BLOCKS_AT_ONCE = 20
/** More than this is not made up for: three hours of Kaia. The queue and the sweep look for what is in it. */
const MAX_GAP_BLOCKS = 10_000
/** A backend may register a transaction a while after it was included. */
const REGISTERED_LATE_MS = 60_000
/** Deaths in the same blocks after which their business writes are left to the queue, which finds the deadly one. */
const DEATHS_TO_LEAVE = 2
/** After an error it is tried again. */
const ERROR_PAUSE_MS = 500
/** A node may show a block a moment before the receipts of it. */
const RECEIPT_TRIES = 5
const RECEIPT_PAUSE_MS = 100
const IN_ONE_PART = 100
/** Fewer are had with the whole block, in one call. */
const LEAST_IN_PARTS = 300
const MOST_IN_PARTS = 1_000

/**
 * Follows the chain, block by block: which of its transactions are ours, and what became of them. It is for
 * speed; whatever it misses the queue finds. Returns when `signal` aborts.
 */
export async function follow(dependencies: FollowDependencies, signal: AbortSignal): Promise<void> {
  const { chain, blocks, store, observer, log, clock } = dependencies
  const pace = createPace()
  let next: number | null = null
  /** Attempts at the next blocks that failed here: those were no deaths. */
  let survived = 0
  let failing = false

  while (!signal.aborted) {
    try {
      next ??= await begin(dependencies)
      const found = await blocks.read(next, BLOCKS_AT_ONCE)
      if (failing) log.info({ chain, next }, 'following the chain again')
      failing = false
      const last = found.at(-1)
      if (!last) {
        await blocks.wait(next, pace.waitMs(clock().getTime()), signal)
        continue
      }
      pace.saw(clock().getTime())
      const matches = await settleAll(dependencies, found, survived)
      await store.saveCursor(chain, last.number)
      observer.followed(last, matches)
      next = last.number + 1
      survived = 0
    } catch (error) {
      if (!failing)
        log.warn({ err: error, chain, next }, 'chain not followed; the queue goes on, trying again')
      failing = true
      survived += 1
      await sleep(ERROR_PAUSE_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** From here on the cursor has a row, in which attempts are counted. */
async function begin(dependencies: FollowDependencies): Promise<number> {
  const first = await whereToBegin(dependencies)
  await dependencies.store.saveCursor(dependencies.chain, first - 1)
  return first
}

/** After the cursor, but not before the oldest transaction that has no verdict; bounded. */
async function whereToBegin({ chain, blocks, store, observer, log }: FollowDependencies): Promise<number> {
  const newest = await blocks.newest()
  const cursor = await store.readCursor(chain)
  const afterCursor = cursor ? cursor.blockNumber + 1 : null
  if (afterCursor !== null && newest < afterCursor - BLOCKS_AT_ONCE) {
    // Never back by ourselves: what looks like a chain begun anew may be a node that is far behind.
    log.warn(
      { chain, newest, cursor: afterCursor - 1 },
      'the chain is behind what was followed of it; until it has caught up only the queue works',
    )
  }
  if (afterCursor !== null && newest - afterCursor < BLOCKS_AT_ONCE) return afterCursor
  const oldest = await store.oldestOpen(chain)
  const needed = oldest ? await blocks.firstSince(oldest.getTime() - REGISTERED_LATE_MS) : Math.max(0, newest)
  const wanted = Math.max(afterCursor ?? 0, needed)
  const first = Math.max(wanted, newest - MAX_GAP_BLOCKS)
  if (wanted < first) {
    observer.skipped(first - wanted)
    log.warn(
      { chain, from: wanted, to: first - 1, blocks: first - wanted },
      'blocks skipped: too many to make up for; the queue and the sweep look for what was in them',
    )
  }
  log.info({ chain, first, newest }, 'following the chain')
  return first
}

async function settleAll(
  dependencies: FollowDependencies,
  found: readonly FinalBlock[],
  survived: number,
): Promise<number> {
  const { chain, store } = dependencies
  const ofEach = await Promise.all(found.map(({ txHashes }) => store.findOpen(chain, txHashes)))
  const matched = ofEach.flat()
  if (matched.length === 0) return 0
  const deaths = (await store.beginBlocks(chain)) - survived
  const taken = deaths < DEATHS_TO_LEAVE ? matched : await leaveWrites(dependencies, matched, deaths)
  const byHash = new Map(taken.map((transaction) => [transaction.txHash, transaction]))
  await Promise.all(found.map((block) => settleBlock(dependencies, block, byHash)))
  return matched.length
}

/** What remains is without a business write, and so can't be what workers died of. */
async function leaveWrites(
  { store, log }: FollowDependencies,
  matched: readonly Transaction[],
  deaths: number,
): Promise<readonly Transaction[]> {
  const left = matched
  log.warn({ deaths, count: left.length }, 'business writes left to the queue: workers died in these blocks')
  await store.wakeWatched(left.map(({ id }) => id))
  return []
}

/** Some hundred receipts are settled part by part, while the node still makes the next; thousands are had at once. */
function partsOf(txHashes: readonly string[]): (readonly string[])[] {
  if (txHashes.length < LEAST_IN_PARTS || txHashes.length > MOST_IN_PARTS) return [txHashes]
  const count = Math.ceil(txHashes.length / IN_ONE_PART)
  return Array.from({ length: count }, (_, part) =>
    txHashes.slice(part * IN_ONE_PART, (part + 1) * IN_ONE_PART),
  )
}

async function settleBlock(
  dependencies: FollowDependencies,
  block: FinalBlock,
  byHash: ReadonlyMap<string, Transaction>,
): Promise<void> {
  const { confirm, store, log, clock } = dependencies
  const { node, headNumber } = block
  const missing = new Set(block.txHashes.filter((txHash) => byHash.has(txHash)))
  for (let tries = 0; missing.size > 0 && tries < RECEIPT_TRIES; tries++) {
    if (tries > 0) await sleep(RECEIPT_PAUSE_MS)
    await Promise.all(
      partsOf([...missing]).map(async (txHashes) => {
        const receipts = await dependencies.blocks.receiptsOf(block, txHashes)
        // The block was read as the canonical one at its height; a receipt of another one says nothing.
        const ofBlock = receipts.filter(({ blockHash }) => blockHash === block.hash)
        for (const { txHash } of ofBlock) missing.delete(txHash)
        await Promise.all(
          ofBlock.map(async (receipt) => {
            const transaction = byHash.get(receipt.txHash)
            if (transaction)
              await confirm.conclude(transaction, { kind: 'receipt', node, headNumber, receipt }, clock())
          }),
        )
      }),
    )
  }
  if (missing.size === 0) return
  log.warn({ node, blockNumber: block.number, txHashes: [...missing] }, 'receipts missing; left to the queue')
  await store.wakeWatched([...missing].flatMap((txHash) => byHash.get(txHash)?.id ?? []))
}
