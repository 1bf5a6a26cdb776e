import type { BlockSource } from '../domain/block.ts'
import type { HeadAnnouncements } from './head-announcements.ts'
import type { HeadTracker } from './head-tracker.ts'
import type { Block, ChainNode } from './node.ts'
import { RpcError } from './rpc-error.ts'

export interface BlockSourceOptions {
  /** In order of preference. */
  readonly nodes: readonly ChainNode[]
  readonly heads: HeadTracker
  readonly announcements: Pick<HeadAnnouncements, 'wait'>
  /** Blocks that must follow a block before what it holds is final. */
  readonly finalityDepthBlocks: number
}

/** From this share of a block's transactions on, all its receipts in one call are cheaper than one by one. */
const WHOLE_BLOCK_SHARE = 1 / 3
/** Without a new block for so long, the other nodes are asked whether they have one. */
const QUIET_MS = 3_000

/**
 * The final blocks of the chain, from one node as long as it serves: block, head and receipts are of one node, so
 * they fit each other. A node that fails, or falls behind, is left for the next.
 */
export function createBlockSource({
  nodes,
  heads,
  announcements,
  finalityDepthBlocks,
}: BlockSourceOptions): BlockSource {
  let current: { node: ChainNode; headNumber: number; sinceMs: number } | null = null

  /** The first node, in order of preference, that is on our chain, fresh, and not the one to be left. */
  async function choose(left: ChainNode | null): Promise<NonNullable<typeof current>> {
    const errors: unknown[] = []
    for (const node of [...nodes.filter((each) => each !== left), ...nodes.filter((each) => each === left)]) {
      try {
        await node.checkChain()
        const head = await node.readHead()
        heads.saw(node.name, head)
        const staleness = heads.staleness(head)
        const call = { node: node.name, method: 'klay_getHeaderByNumber' }
        if (staleness) throw new RpcError('stale', call, `${staleness}, so it is not followed`)
        return { node, headNumber: head.number, sinceMs: Date.now() }
      } catch (error) {
        errors.push(error)
      }
    }
    throw new AggregateError(errors, `no node can be followed: ${errors.map(String).join('; ')}`)
  }

  /** Works at the current node, and leaves it if that fails. */
  async function at<T>(work: (serving: NonNullable<typeof current>) => Promise<T>): Promise<T> {
    current ??= await choose(null)
    const serving = current
    try {
      await serving.node.checkChain()
      return await work(serving)
    } catch (error) {
      if (current === serving) current = await choose(serving.node)
      throw error
    }
  }

  /** Asks for the block after the head: that it is there is how a new head shows. */
  async function lookForHead(serving: NonNullable<typeof current>): Promise<Block | null> {
    const block = await serving.node.readBlock(serving.headNumber + 1)
    if (block) {
      serving.headNumber = block.number
      serving.sinceMs = Date.now()
      heads.saw(serving.node.name, block)
      return block
    }
    if (Date.now() - serving.sinceMs < QUIET_MS) return null
    // More than one block further, or another node is ahead: both show when the heads are read.
    current = await choose(nodes.length > 1 ? serving.node : null)
    if (current.node === serving.node) current.sinceMs = Date.now()
    return null
  }

  return {
    newest: () =>
      at(async (serving) => {
        const head = await serving.node.readHead()
        serving.headNumber = Math.max(serving.headNumber, head.number)
        return Math.max(0, head.number - finalityDepthBlocks)
      }),

    firstSince: (timeMs) =>
      at(async ({ node, headNumber }) => {
        let [low, high] = [0, Math.max(0, headNumber - finalityDepthBlocks)]
        while (low < high) {
          const middle = Math.floor((low + high) / 2)
          const block = await node.readHeader(middle)
          // A node that prunes has no old blocks; what it does not have is older.
          if (block && block.timeMs >= timeMs) high = middle
          else low = middle + 1
        }
        return low
      }),

    read: (from, limit) =>
      at(async (serving) => {
        const { node } = serving
        const lastFinal = () => serving.headNumber - finalityDepthBlocks
        const found = from > lastFinal() ? await lookForHead(serving) : null
        if (from > lastFinal()) return []
        const count = Math.min(limit, lastFinal() - from + 1)
        const numbers = Array.from({ length: count }, (_, index) => from + index)
        const blocks = await Promise.all(
          numbers.map(async (number) => (found?.number === number ? found : node.readBlock(number))),
        )
        const missing = blocks.indexOf(null)
        const ready = (missing === -1 ? blocks : blocks.slice(0, missing)) as Block[]
        if (ready.length === 0) {
          const call = { node: node.name, method: 'klay_getBlockByNumber' }
          throw new RpcError(
            'stale',
            call,
            `it lacks block ${from}, though its head was ${serving.headNumber}`,
          )
        }
        const { headNumber } = serving
        return ready.map((block) => ({ ...block, node: node.name, headNumber }))
      }),

    hashAt: (blockNumber) =>
      at(async ({ node }) => {
        const header = await node.readHeader(blockNumber)
        return header?.number === blockNumber ? header.hash : null
      }),

    wait: (blockNumber, timeoutMs, signal) =>
      announcements.wait(blockNumber + finalityDepthBlocks, timeoutMs, signal),

    receiptsOf: async (block, txHashes) => {
      const node = nodes.find(({ name }) => name === block.node)
      if (!node) throw new Error(`the node ${block.node} is none of ours`)
      if (txHashes.length > 1 && txHashes.length >= block.txHashes.length * WHOLE_BLOCK_SHARE) {
        const wanted = new Set(txHashes)
        const all = await node.readBlockReceipts(block).catch(() => null)
        // A node that can't give them together may still give them one by one.
        if (all) return all.filter(({ txHash }) => wanted.has(txHash))
      }
      const receipts = await Promise.all(txHashes.map((txHash) => node.readReceipt(txHash).catch(unreadable)))
      return receipts.filter((receipt) => receipt !== null)
    },
  }
}

/** One receipt that makes no sense must not keep the others from being had. */
function unreadable(error: unknown): null {
  if (error instanceof RpcError && error.code === 'malformed') return null
  throw error
}
