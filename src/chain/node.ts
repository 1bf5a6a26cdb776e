import type { Receipt } from '../domain/receipt.ts'
import type { CallTransport } from './batching-transport.ts'
import { createKlay } from './caver.ts'
import { createCaverProvider } from './caver-provider.ts'
import { readNumber } from './quantity.ts'
import { toReceipt } from './receipt.ts'
import { RpcError } from './rpc-error.ts'

export interface Header {
  readonly number: number
  readonly hash: string
  readonly parentHash: string
  /** The block's time, in ms. */
  readonly timeMs: number
}

export interface Block extends Header {
  readonly txHashes: readonly string[]
}

/** A transaction as a node knows it, in its pool or in a block. */
export interface KnownTransaction {
  readonly sender: string
  readonly nonce: number
  readonly blockNumber: number | null
}

/** One node of the chain. Everything rejects with RpcError if it can't be had. */
export interface ChainNode {
  readonly name: string
  /** Rejects if the node is on another chain; asks it again from time to time. */
  checkChain(): Promise<void>
  readHead(): Promise<Header>
  /** The head as it was read a moment ago, for one of many looks that are made together. */
  readRecentHead(): Promise<Header>
  /** The header of the canonical block at a height; null if the node has no such block. */
  readHeader(blockNumber: number): Promise<Header | null>
  /** The canonical block at a height, with the hashes of its transactions; null if the node has no such block. */
  readBlock(blockNumber: number): Promise<Block | null>
  /** All receipts of a block, or those that can be read; null if the node does not have them. */
  readBlockReceipts(block: Block): Promise<readonly Receipt[] | null>
  readReceipt(txHash: string): Promise<Receipt | null>
  readTransaction(txHash: string): Promise<KnownTransaction | null>
  /** How many transactions of the sender were included up to that block: its next nonce. */
  readNonce(sender: string, blockNumber: number): Promise<number>
  close(): Promise<void>
}

export interface ChainNodeOptions {
  readonly chainId: number
  /** How old a recent head may be: it errs towards waiting, but must not hide that the node has fallen behind. */
  readonly recentHeadMs: number
  /** Told when the node is found on another chain, and when it is back on ours. */
  readonly onChainChecked: (node: string, problem: string | null) => void
}

const CHAIN_ID = 'klay_chainID'
const HEADER = 'klay_getHeaderByNumber'
const CHAIN_CHECK_INTERVAL_MS = 60_000

export function createChainNode(transport: CallTransport, options: ChainNodeOptions): ChainNode {
  const klay = createKlay(createCaverProvider(transport))
  const node = transport.node
  let checkedAtMs = Number.NEGATIVE_INFINITY
  let wrongChain: string | null = null
  let lastHead: { head: Header; readAtMs: number } | null = null

  /** Asks, and reads the answer; whatever goes wrong in either becomes an RpcError. */
  async function call<A, T>(method: string, ask: () => Promise<A>, read: (answer: A) => T): Promise<T> {
    let answer: A
    try {
      answer = await ask()
    } catch (error) {
      if (error instanceof RpcError) throw error
      throw new RpcError('rpc-error', { node, method }, (error as Error).message, { cause: error })
    }
    try {
      return read(answer)
    } catch (error) {
      throw new RpcError('malformed', { node, method }, (error as Error).message, { cause: error })
    }
  }

  async function checkChain(): Promise<void> {
    if (Date.now() - checkedAtMs > CHAIN_CHECK_INTERVAL_MS) await readChainId()
    if (wrongChain !== null) throw new RpcError('wrong-chain', { node, method: CHAIN_ID }, wrongChain)
  }

  const readChainId = shared(async () => {
    const chainId = await call(CHAIN_ID, klay.getChainId, (answer) => readNumber(answer, 'chain id'))
    checkedAtMs = Date.now()
    const problem =
      chainId === options.chainId
        ? null
        : `it is on chain ${chainId}, not ${options.chainId}; check RPC_URLS and CHAIN_ID`
    if (problem !== wrongChain) options.onChainChecked(node, problem)
    wrongChain = problem
  })

  const readHead = shared(async () => {
    const head = await call(
      HEADER,
      () => klay.getHeaderByNumber('latest'),
      (answer) => toHeader(answer ?? {}),
    )
    lastHead = { head, readAtMs: Date.now() }
    return head
  })

  return {
    name: node,
    checkChain,
    readHead,
    readRecentHead: async () => {
      const isRecent = lastHead !== null && Date.now() - lastHead.readAtMs < options.recentHeadMs
      return lastHead !== null && isRecent ? lastHead.head : readHead()
    },
    readHeader: shared((blockNumber: number) =>
      call(
        HEADER,
        () => klay.getHeaderByNumber(blockNumber),
        (answer) => answer && toHeader(answer),
      ),
    ),
    readBlock: async (blockNumber) => {
      const block = await call(
        'klay_getBlockByNumber',
        () => klay.getBlockByNumber(blockNumber),
        (answer) => answer && toBlock(answer),
      )
      if (block?.number !== blockNumber) return null
      if (lastHead === null || block.number > lastHead.head.number) {
        lastHead = { head: block, readAtMs: Date.now() }
      }
      return block
    },
    readBlockReceipts: (block) =>
      call(
        'klay_getBlockReceipts',
        () => klay.getBlockReceipts(block.hash),
        (answers) => answers && readableReceipts(answers),
      ),
    readReceipt: (txHash) =>
      call(
        'klay_getTransactionReceipt',
        () => klay.getTransactionReceipt(txHash),
        (answer) => answer && toReceipt(answer, txHash),
      ),
    readTransaction: (txHash) =>
      call(
        'klay_getTransactionByHash',
        () => klay.getTransactionByHash(txHash),
        (answer) => answer && toKnownTransaction(answer),
      ),
    readNonce: (sender, blockNumber) =>
      call(
        'klay_getTransactionCount',
        () => klay.getTransactionCount(sender, blockNumber),
        (answer) => readNumber(answer, 'nonce'),
      ),
    close: transport.close,
  }
}

/** One read for all who ask for the same while it is under way. */
function shared<Key extends [] | [number], T>(
  read: (...key: Key) => Promise<T>,
): (...key: Key) => Promise<T> {
  const underWay = new Map<number | undefined, Promise<T>>()
  return (...key) => {
    const known = underWay.get(key[0])
    if (known) return known
    const reading = read(...key).finally(() => underWay.delete(key[0]))
    underWay.set(key[0], reading)
    return reading
  }
}

function toHeader(answer: Readonly<Record<string, unknown>>): Header {
  return {
    number: readNumber(answer['number'], 'block number'),
    hash: String(answer['hash']).toLowerCase(),
    parentHash: String(answer['parentHash']).toLowerCase(),
    timeMs: readNumber(answer['timestamp'], 'timestamp') * 1000,
  }
}

function toBlock(answer: Readonly<Record<string, unknown>>): Block {
  const transactions = answer['transactions']
  if (!Array.isArray(transactions)) throw new Error('it has no list of transactions')
  return { ...toHeader(answer), txHashes: transactions.map((txHash) => String(txHash).toLowerCase()) }
}

/** One receipt that can't be read does not take the others along: the queue will ask for it alone. */
function readableReceipts(answers: readonly Readonly<Record<string, unknown>>[]): Receipt[] {
  return answers.flatMap((answer) => {
    try {
      return [toReceipt(answer, String(answer['transactionHash']).toLowerCase())]
    } catch {
      return []
    }
  })
}

function toKnownTransaction(answer: Readonly<Record<string, unknown>>): KnownTransaction {
  const blockNumber = answer['blockNumber']
  return {
    sender: String(answer['from']).toLowerCase(),
    nonce: readNumber(answer['nonce'], 'nonce'),
    blockNumber:
      blockNumber === null || blockNumber === undefined ? null : readNumber(blockNumber, 'blockNumber'),
  }
}
