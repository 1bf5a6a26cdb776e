import type { BlockSource, FinalBlock } from '../domain/block.ts'
import type { Receipt } from '../domain/receipt.ts'
import type { Block, Header } from './facts/block.ts'
import type { HeadAnnouncements } from './head-announcements.ts'
import type { HeadTracker } from './head-tracker.ts'
import type { ChainNode } from './node.ts'
import { RpcError } from './rpc-error.ts'
import { RPC_METHODS } from './rpc-methods.ts'

export interface BlockSourceOptions {
  /** In order of preference. */
  readonly nodes: readonly ChainNode[]
  readonly heads: HeadTracker
  readonly announcements: Pick<HeadAnnouncements, 'wait'>
  /** Blocks that must follow a block before what it holds is final. */
  readonly finalityDepthBlocks: number
  readonly clock: () => Date
}

/** From this share of a block's transactions on, all its receipts in one call are cheaper than one by one. */
const WHOLE_BLOCK_SHARE = 1 / 3
/** Without a new block for so long, the other nodes are asked whether they have one. */
const QUIET_MS = 3_000

/** The node that blocks are read from. */
interface Serving {
  readonly node: ChainNode
  /** The newest block that it has shown; it may go down again. */
  headNumber: number
  sinceMs: number
}

/**
 * The final blocks of the chain, from one node as long as it serves: block, head and receipts are of one node, so
 * they fit each other. A node that fails, falls behind or contradicts itself is left for the next. Of what is given
 * out, each block is the next one's parent, and the first and the last were shown twice: as blocks and as headers.
 */
export function createBlockSource(options: BlockSourceOptions): BlockSource {
  const { nodes, heads, announcements, finalityDepthBlocks } = options
  const nowMs = () => options.clock().getTime()
  let current: Serving | null = null

  /** The first node, in order of preference, that is on our chain, fresh, and not the one to be left. */
  async function choose(left: ChainNode | null): Promise<Serving> {
    const errors: unknown[] = []
    for (const node of [...nodes.filter((each) => each !== left), ...nodes.filter((each) => each === left)]) {
      try {
        const head = await readShownHead(node)
        const staleness = heads.staleness(head)
        if (staleness)
          throw problemOf(node, 'stale', RPC_METHODS.header, `${staleness}, so it is not followed`)
        return { node, headNumber: head.number, sinceMs: nowMs() }
      } catch (error) {
        errors.push(error)
      }
    }
    throw new AggregateError(errors, `no node can be followed: ${errors.map(String).join('; ')}`)
  }

  /** Works at the current node, and leaves it if that fails. */
  async function at<T>(work: (serving: Serving) => Promise<T>): Promise<T> {
    current ??= await choose(null)
    const serving = current
    try {
      return await work(serving)
    } catch (error) {
      if (current === serving) current = await choose(serving.node)
      throw error
    }
  }

  /** Asks for the block after the head: that it is there is how a new head shows. */
  async function readNewHead(serving: Serving): Promise<Block | null> {
    const { node, headNumber } = serving
    const [block, header] = await Promise.all([
      node.readBlock(headNumber + 1),
      node.readHeader(headNumber + 1),
    ])
    if (block && header) {
      checkSame(node, block, header)
      serving.headNumber = block.number
      serving.sinceMs = nowMs()
      return block
    }
    if (nowMs() - serving.sinceMs < QUIET_MS) return null
    // More than one block further, or another node is ahead: both show when the heads are read.
    current = await choose(nodes.length > 1 ? node : null)
    if (current.node === node) current.sinceMs = nowMs()
    return null
  }

  /** The blocks from one number to another, as far as the node has them and each is the next one's parent. */
  async function readChain(serving: Serving, from: number, to: number): Promise<readonly Block[]> {
    const { node } = serving
    const finalizing = to + finalityDepthBlocks
    const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index)
    const [blocks, first, last, top] = await Promise.all([
      Promise.all(numbers.map(node.readBlock)),
      node.readHeader(from),
      node.readHeader(to),
      node.readHeader(finalizing),
    ])
    if (!top) {
      const head = await readShownHead(node)
      serving.headNumber = Math.min(head.number, finalizing - 1)
      return []
    }
    const linked = takeLinked(blocks)
    const [lowest, highest] = [linked[0], linked.at(-1)]
    if (!lowest || !highest) {
      const problem = `it lacks block ${from}, though its head was ${serving.headNumber}`
      throw problemOf(node, 'stale', RPC_METHODS.block, problem)
    }
    checkSame(node, lowest, first)
    checkSame(node, highest, highest.number === to ? last : await node.readHeader(highest.number))
    return linked
  }

  return {
    newest: () =>
      at(async (serving) => {
        const head = await readShownHead(serving.node)
        serving.headNumber = head.number
        return Math.max(0, head.number - finalityDepthBlocks)
      }),

    firstSince: (timeMs) =>
      at(async ({ node, headNumber }) => {
        const newest = Math.max(0, headNumber - finalityDepthBlocks)
        let [low, high] = [0, newest]
        while (low < high) {
          const middle = Math.floor((low + high) / 2)
          if (isSince(await node.readHeader(middle), timeMs)) high = middle
          else low = middle + 1
        }
        const [found, before] = await Promise.all([
          node.readHeader(low),
          low === 0 ? null : node.readHeader(low - 1),
        ])
        if ((low < newest && !isSince(found, timeMs)) || isSince(before, timeMs)) {
          throw problemOf(
            node,
            'malformed',
            RPC_METHODS.header,
            `its block times contradict each other at ${low}`,
          )
        }
        return low
      }),

    read: (from, limit) =>
      at(async (serving) => {
        const { node } = serving
        const lastFinal = () => serving.headNumber - finalityDepthBlocks
        const newHead = from > lastFinal() ? await readNewHead(serving) : null
        if (from > lastFinal()) return []
        const to = Math.min(from + limit - 1, lastFinal())
        // Without a depth the new head is itself the block, and was shown as block and header just now.
        const isRead = newHead?.number === from && to === from
        const blocks = isRead ? [newHead] : await readChain(serving, from, to)
        // Where blocks must follow, those above `to` are not known one by one: no more is claimed than was shown.
        const headNumber = finalityDepthBlocks === 0 ? serving.headNumber : to + finalityDepthBlocks
        return blocks.map((block): FinalBlock => ({ ...block, node: node.name, headNumber }))
      }),

    wait: (blockNumber, timeoutMs, signal) =>
      announcements.wait(blockNumber + finalityDepthBlocks, timeoutMs, signal),

    hashAt: (blockNumber) =>
      at(async ({ node }) => {
        const [block, header] = await Promise.all([node.readBlock(blockNumber), node.readHeader(blockNumber)])
        if (!block && !header) return null
        if (block) checkSame(node, block, header)
        else
          throw problemOf(
            node,
            'malformed',
            RPC_METHODS.block,
            `it shows only the header of block ${blockNumber}`,
          )
        return block.hash
      }),

    receiptsOf: async (block, txHashes) => {
      const node = nodes.find(({ name }) => name === block.node)
      if (!node) throw new Error(`the node ${block.node} is none of ours`)
      const receipts = await readReceipts(node, block, txHashes)
      return receipts.filter(
        ({ blockHash, blockNumber }) => blockHash === block.hash && blockNumber === block.number,
      )
    },
  }
}

async function readReceipts(
  node: ChainNode,
  block: FinalBlock,
  txHashes: readonly string[],
): Promise<readonly Receipt[]> {
  if (txHashes.length > 1 && txHashes.length >= block.txHashes.length * WHOLE_BLOCK_SHARE) {
    const wanted = new Set(txHashes)
    const all = await node.readBlockReceipts(block).catch(() => null)
    // A node that can't give them together may still give them one by one.
    if (all) return all.filter(({ txHash }) => wanted.has(txHash))
  }
  const receipts = await Promise.all(txHashes.map((txHash) => node.readReceipt(txHash).catch(unusable)))
  return receipts.filter((receipt) => receipt !== null)
}

/** One receipt that can't be used must not keep the others from being had. */
function unusable(error: unknown): null {
  if (error instanceof RpcError && error.code === 'malformed') return null
  throw error
}

/** The head, which the node must show by its number as well. */
async function readShownHead(node: ChainNode): Promise<Header> {
  const head = await node.readHead()
  checkSame(node, head, await node.readHeader(head.number))
  return head
}

function checkSame(node: ChainNode, header: Header, again: Header | null): void {
  if (again?.hash === header.hash && again.parentHash === header.parentHash) return
  const problem = `it shows block ${header.number} as ${header.hash}, and then as ${again?.hash ?? 'missing'}`
  throw problemOf(node, 'malformed', RPC_METHODS.header, problem)
}

/** Whether a block is not older than a time. A node that prunes has no old blocks; what it does not have is older. */
function isSince(header: Header | null, timeMs: number): boolean {
  return header !== null && header.timeMs >= timeMs
}

/** The blocks up to the first that is missing, or is not the child of the one before it. */
function takeLinked(blocks: readonly (Block | null)[]): readonly Block[] {
  const linked: Block[] = []
  for (const block of blocks) {
    const parent = linked.at(-1)
    if (!block || (parent && block.parentHash !== parent.hash)) break
    linked.push(block)
  }
  return linked
}

function problemOf(node: ChainNode, code: 'stale' | 'malformed', method: string, problem: string): RpcError {
  return new RpcError(code, { node: node.name, method }, problem)
}
