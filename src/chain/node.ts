import type { Receipt } from '../domain/receipt.ts'
import { type ChainBinding, createAnchorCheck } from './anchor-check.ts'
import type { CallTransport } from './batching-transport.ts'
import { readAccountNonce } from './facts/account-nonce.ts'
import { type Block, type Header, readBlock, readHead, readHeader } from './facts/block.ts'
import { readBlockReceipts, readReceipt } from './facts/receipt.ts'
import { type KnownTransaction, readTransaction } from './facts/transaction.ts'
import { UnusableAnswer } from './facts/unusable-answer.ts'
import type { HeadTracker } from './head-tracker.ts'
import { RpcError } from './rpc-error.ts'
import { RPC_METHODS } from './rpc-methods.ts'

/** One node of the chain. Everything rejects with RpcError if it can't be had, or can't be used. */
export interface ChainNode {
  readonly name: string
  /** Who answers for it: the nodes of one provider are one witness. */
  readonly provider: string
  /** Rejects if the node is on another chain. Before every other answer this is made sure of anyway. */
  checkChain(): Promise<void>
  /** The newest block, asked afresh. A head that is too far ahead counts only if the node has the block. */
  readHead(): Promise<Header>
  /** The head as it was read a moment ago, for one of many checks that are made together. */
  readRecentHead(): Promise<Header>
  /** The header of the canonical block at a height; null if the node has no such block. */
  readHeader(blockNumber: number): Promise<Header | null>
  /** The canonical block at a height, with the hashes of its transactions; null if the node has no such block. */
  readBlock(blockNumber: number): Promise<Block | null>
  /** The receipts of a block that can be used; null if the node does not have them. */
  readBlockReceipts(block: {
    readonly hash: string
    readonly number: number
  }): Promise<readonly Receipt[] | null>
  readReceipt(txHash: string): Promise<Receipt | null>
  readTransaction(txHash: string): Promise<KnownTransaction | null>
  /** How many transactions of the sender were included up to that block: its next nonce. */
  readNonce(sender: string, blockNumber: number): Promise<number>
  close(): Promise<void>
}

export interface ChainNodeOptions {
  readonly provider: string
  /** Told of every head; knows what the other nodes showed. */
  readonly heads: HeadTracker
  /** How old a recent head may be: it errs towards waiting, but must not hide that the node has fallen behind. */
  readonly recentHeadMs: number
  /** The chain's name, and what it means in the database. */
  readonly chain: string
  readonly binding: ChainBinding
  readonly finalityDepthBlocks: number
  /** Told when the node is found on another chain (the problem), and when it is back on ours (null). */
  readonly onChainChecked: (node: string, problem: string | null) => void
  readonly clock: () => Date
}

type Ask = <T>(method: string, params: readonly unknown[], read: (answer: unknown) => T) => Promise<T>

export function createChainNode(transport: CallTransport, options: ChainNodeOptions): ChainNode {
  const { provider, heads, recentHeadMs, clock } = options
  const name = transport.node
  const nowMs = () => clock().getTime()
  let lastHead: { head: Header; readAtMs: number } | null = null

  const askUnchecked: Ask = async (method, params, read) => {
    const answer = await transport.call(method, params)
    try {
      return read(answer)
    } catch (error) {
      if (!(error instanceof UnusableAnswer)) throw error
      throw new RpcError('malformed', { node: name, method }, error.message, { cause: error })
    }
  }
  const headerBy = (by: Ask) => (blockNumber: number) =>
    by(RPC_METHODS.header, [hex(blockNumber)], (answer) =>
      readHeader({ blockNumber, nowMs: nowMs() }, answer),
    )
  const newestBy = (by: Ask) => () =>
    by(RPC_METHODS.header, ['latest'], (answer) => readHead({ nowMs: nowMs() }, answer))

  const checkAnchor = createAnchorCheck({
    ...options,
    node: name,
    nowMs,
    readHeader: headerBy(askUnchecked),
    readHead: newestBy(askUnchecked),
  })
  const ask: Ask = async (method, params, read) => {
    await checkAnchor()
    return askUnchecked(method, params, read)
  }
  const askHeader = shared(headerBy(ask))
  const askNewest = newestBy(ask)

  const askHead = shared(async () => {
    const head = await askNewest()
    if (!heads.isPlausible(head) && (await askHeader(head.number))?.hash !== head.hash) {
      const call = { node: name, method: RPC_METHODS.header }
      const problem = `its head ${head.number} is not plausible: no node was near it, and it does not have the block`
      throw new RpcError('malformed', call, problem)
    }
    sawHead(head)
    return head
  })

  function sawHead(head: Header): void {
    heads.saw(name, head)
    lastHead = { head, readAtMs: nowMs() }
  }

  return {
    name,
    provider,
    checkChain: async () => {
      await transport.checkChain()
      await checkAnchor()
    },
    readHead: askHead,
    readRecentHead: async () => {
      const isRecent = lastHead !== null && nowMs() - lastHead.readAtMs < recentHeadMs
      return lastHead !== null && isRecent ? lastHead.head : askHead()
    },
    readHeader: askHeader,
    readBlock: async (blockNumber) => {
      const block = await ask(RPC_METHODS.block, [hex(blockNumber), false], (answer) =>
        readBlock({ blockNumber, nowMs: nowMs() }, answer),
      )
      if (block && (lastHead === null || block.number > lastHead.head.number)) sawHead(block)
      return block
    },
    readBlockReceipts: (block) =>
      ask(RPC_METHODS.blockReceipts, [block.hash], (answer) => readBlockReceipts(block, answer)),
    readReceipt: (txHash) => ask(RPC_METHODS.receipt, [txHash], (answer) => readReceipt({ txHash }, answer)),
    readTransaction: (txHash) =>
      ask(RPC_METHODS.transaction, [txHash], (answer) => readTransaction({ txHash }, answer)),
    readNonce: (sender, blockNumber) =>
      ask(RPC_METHODS.transactionCount, [sender, hex(blockNumber)], readAccountNonce),
    close: transport.close,
  }
}

function hex(blockNumber: number): string {
  return `0x${blockNumber.toString(16)}`
}

/** One request for all who ask for the same while it is in flight. */
function shared<Key extends [] | [number], T>(
  read: (...key: Key) => Promise<T>,
): (...key: Key) => Promise<T> {
  const inFlight = new Map<number | undefined, Promise<T>>()
  return (...key) => {
    const known = inFlight.get(key[0])
    if (known) return known
    const reading = read(...key).finally(() => inFlight.delete(key[0]))
    inFlight.set(key[0], reading)
    return reading
  }
}
