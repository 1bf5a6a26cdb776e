import { setTimeout as sleep } from 'node:timers/promises'
import type { BlockSource, FinalBlock } from '../domain/block.ts'
import type { Transaction } from '../domain/transaction.ts'
import type { Confirm } from './confirm.ts'
import type { FollowPolicy } from './follow-policy.ts'
import type { Log } from './ports.ts'

export interface SettleBlocksDependencies {
  readonly chain: string
  readonly blocks: Pick<BlockSource, 'receiptsOf'>
  readonly confirm: Pick<Confirm, 'conclude'>
  readonly store: {
    /** Makes the check of these due, if they have no message in the queue. */
    wakeWatched(ids: readonly string[]): Promise<void>
  }
  readonly policy: Pick<FollowPolicy, 'maxInFlight' | 'inFlightPatienceMs'>
  readonly observer: { followed(block: { number: number; timeMs: number }, matches: number): void }
  readonly log: Log
}

/** An open transaction, and when it was read, by the database's clock. */
export interface FoundTransaction {
  readonly transaction: Transaction
  readonly now: Date
}

/** A block, and the transactions in it that are open to its receipts. */
export interface FoundBlock {
  readonly block: FinalBlock
  readonly found: readonly FoundTransaction[]
}

export interface BlockSettler {
  /**
   * Begins to settle what was found in some blocks. Resolves when it is under way, not when it has ended, so that a
   * business write that takes long does not hold up the blocks after it. Waits only while too much is in flight, and
   * then leaves the rest to the queue.
   */
  begin(blocks: readonly FoundBlock[], signal: AbortSignal): Promise<void>
  /** Resolves when nothing is in flight. */
  ended(): Promise<void>
}

/** A node may show a block a moment before the receipts of it. */
const RECEIPT_TRIES = 5
const RECEIPT_PAUSE_MS = 100
const IN_ONE_PART = 100
/** Fewer are had with the whole block, in one call. */
const LEAST_IN_PARTS = 300
const MOST_IN_PARTS = 1_000
const ROOM_POLL_MS = 10
/** A log line names no more hashes. */
const MAX_LOGGED = 20

export function createBlockSettler({
  chain,
  blocks,
  confirm,
  store,
  policy,
  observer,
  log,
}: SettleBlocksDependencies): BlockSettler {
  /** The ids of the transactions that are being settled. */
  const inFlight = new Set<string>()
  const running = new Set<Promise<void>>()
  /** How many were left to the queue since there was no room; null while there is. */
  let leftWithoutRoom: number | null = null

  async function begin(batch: readonly FoundBlock[], signal: AbortSignal): Promise<void> {
    const settling: Promise<void>[] = []
    for (const { block, found } of batch) {
      // Of two observations of a block, one is enough: the other one is being settled, and fenced by the row.
      const own = found.filter(({ transaction }) => !inFlight.has(transaction.id))
      if (own.length === 0) continue
      if (await waitForRoom(signal)) settling.push(settle(block, own))
      else if (leftWithoutRoom !== null) leftWithoutRoom += own.length
    }
    const last = batch.at(-1)?.block
    if (!last) return
    const matches = batch.reduce((count, { found }) => count + found.length, 0)
    const ending = Promise.all(settling).then(() => {
      observer.followed(last, matches)
      running.delete(ending)
    })
    running.add(ending)
  }

  /** False if there is none, even after a while. */
  async function waitForRoom(signal: AbortSignal): Promise<boolean> {
    if (leftWithoutRoom !== null) {
      if (inFlight.size >= policy.maxInFlight / 2) return false
      log.info(
        { chain, leftToQueue: leftWithoutRoom },
        'transactions of new blocks are settled at once again',
      )
      leftWithoutRoom = null
    }
    const deadlineMs = performance.now() + policy.inFlightPatienceMs
    while (inFlight.size >= policy.maxInFlight) {
      if (signal.aborted) return false
      if (performance.now() > deadlineMs) {
        leftWithoutRoom = 0
        log.warn(
          { chain, inFlight: inFlight.size, maximum: policy.maxInFlight },
          'too many transactions are being settled: those of new blocks are left to the queue until half of them ' +
            'have ended. Look for a business write that takes long, or for a slow database',
        )
        return false
      }
      await sleep(ROOM_POLL_MS, undefined, { signal }).catch(() => undefined)
    }
    return true
  }

  /** Never rejects: what could not be settled is left to the queue. */
  async function settle(block: FinalBlock, found: readonly FoundTransaction[]): Promise<void> {
    /** Several kinds may have registered one transaction. */
    const missing = new Map<string, readonly FoundTransaction[]>()
    for (const each of found) {
      const { txHash } = each.transaction
      missing.set(txHash, [...(missing.get(txHash) ?? []), each])
    }
    const failed: FoundTransaction[] = []
    const concluding: Promise<void>[] = []
    const errors = { receipts: null as unknown, settling: null as unknown }
    const { number: blockNumber, hash: blockHash, node, headNumber } = block
    for (const { transaction } of found) inFlight.add(transaction.id)

    async function readPart(txHashes: readonly string[]): Promise<void> {
      const receipts = await blocks.receiptsOf(block, txHashes).catch((error: unknown) => {
        errors.receipts = error
        return []
      })
      for (const receipt of receipts) {
        const those = missing.get(receipt.txHash)
        // The block was read as the canonical one at its height; a receipt of another one says nothing.
        if (!those || receipt.blockHash !== blockHash) continue
        missing.delete(receipt.txHash)
        for (const one of those) {
          const { transaction, now } = one
          const concluded = confirm
            .conclude(transaction, { kind: 'receipt', node, headNumber, receipt }, now)
            .catch((error: unknown) => {
              errors.settling ??= error
              failed.push(one)
            })
            .finally(() => inFlight.delete(transaction.id))
          concluding.push(concluded)
        }
      }
    }

    for (let tries = 0; missing.size > 0 && tries < RECEIPT_TRIES; tries++) {
      if (tries > 0) await sleep(RECEIPT_PAUSE_MS)
      await Promise.all(partsOf([...missing.keys()]).map(readPart))
    }
    if (missing.size > 0) {
      const left = [...missing.values()].flat()
      for (const { transaction } of left) inFlight.delete(transaction.id)
      const fields = { chain, node, blockNumber, ...described(left), err: errors.receipts }
      await leave(left, fields, 'receipts not found at the node that gave the block; left to the queue')
    }
    await Promise.all(concluding)
    if (failed.length > 0) {
      const fields = { chain, blockNumber, ...described(failed), err: errors.settling }
      await leave(failed, fields, 'verdicts not committed; left to the queue, which tries them again')
    }
  }

  /** Once more, because a check that was due before may have been made meanwhile, in vain. */
  async function leave(left: readonly FoundTransaction[], fields: object, message: string): Promise<void> {
    log.warn(fields, message)
    await store.wakeWatched(left.map(({ transaction }) => transaction.id)).catch((error: unknown) => {
      log.warn(
        { chain, err: error },
        'checks not brought forward, as the database failed; they are made when they are due',
      )
    })
  }

  return {
    begin,
    ended: async () => {
      while (running.size > 0) await Promise.all(running)
    },
  }
}

function described(found: readonly FoundTransaction[]): { count: number; txHashes: readonly string[] } {
  return {
    count: found.length,
    txHashes: found.slice(0, MAX_LOGGED).map(({ transaction }) => transaction.txHash),
  }
}

/** Some hundred receipts are settled part by part, while the node still makes the next; thousands are had at once. */
function partsOf(txHashes: readonly string[]): (readonly string[])[] {
  if (txHashes.length < LEAST_IN_PARTS || txHashes.length > MOST_IN_PARTS) return [txHashes]
  const count = Math.ceil(txHashes.length / IN_ONE_PART)
  return Array.from({ length: count }, (_, part) =>
    txHashes.slice(part * IN_ONE_PART, (part + 1) * IN_ONE_PART),
  )
}
