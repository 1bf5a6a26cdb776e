import { recordedFields } from './kaia-answers.ts'

/** What became of a transaction, and what of its receipt is other than usual. */
export interface Outcome {
  readonly succeeded?: boolean
  /** Kaia's code of a failure; left out, the receipt has none. */
  readonly txError?: string
  /** Without it, the one it had in the pool, or one of its own. */
  readonly sender?: string
  readonly nonce?: number
  /** Fields of the receipt that are added or replaced; undefined takes one away. */
  readonly receipt?: Readonly<Record<string, unknown>>
}

/** A Kaia chain that a test writes, block by block. Several scripted nodes may show the same one. */
export interface ScriptedChain {
  chainId: number
  /** Puts transactions on the chain, all in one new block; returns its number. */
  include(txHashes: string | readonly string[], outcome?: Outcome): number
  /** Takes one off again, as a node that lags or a chain that forks would. */
  exclude(txHash: string): void
  /** Puts a transaction into the pool, where it can be seen with sender and nonce; `drop` takes it out. */
  pend(txHash: string, sender: string, nonce: number): void
  drop(txHash: string): void
  /** The sender's next nonce from the newest block on; before, what its transactions say. */
  setNonce(sender: string, nonce: number): void
  mine(blocks?: number): void
  /**
   * Leaves the chain from this block on, as a fork does: its newest block is the one before, later ones get other
   * hashes, and what was included in the blocks that are gone is not on the chain any more.
   */
  fork(fromBlock: number): void
  /** Adds a block each `intervalMs` until `stop`; block times are those at which they were made from then on. */
  mineEvery(intervalMs: number): void
  head(): number
  /** What a node of this chain answers; throws UnknownMethod. */
  answer(method: string, params: readonly unknown[], view?: View): unknown
  stop(): void
}

/** How a node sees the chain. */
export interface View {
  /** Makes each block seem older. */
  readonly headAgeMs: number
  /** How many of the newest blocks it does not show, as a node that is behind. */
  readonly lagBlocks: number
}

export interface ChainOptions {
  readonly chainId?: number
  /** The number of its newest block at the start. */
  readonly head?: number
}

/** The method is none that a node of this chain has. */
export class UnknownMethod extends Error {
  override readonly name = 'UnknownMethod'
}

interface Included {
  readonly blockNumber: number
  readonly index: number
  readonly sender: string
  readonly nonce: number
  readonly receipt: Readonly<Record<string, unknown>>
}

/** As a real Kaia node shows a transfer and a block; what differs from one to the next is replaced. */
const RECEIPT = recordedFields('valueTransfer', 'klay_getTransactionReceipt')
const TRANSACTION = recordedFields('valueTransfer', 'klay_getTransactionByHash')
const { transactions: _, ...HEADER } = recordedFields('block', 'klay_getBlockByNumber')

/** Its blocks have their numbers as hashes. */
const DEFAULT_CHAIN_ID = 8217

export function createScriptedChain({
  chainId = DEFAULT_CHAIN_ID,
  head: first = 100,
}: ChainOptions = {}): ScriptedChain {
  const included = new Map<string, Included>()
  const pool = new Map<string, { sender: string; nonce: number }>()
  const nonces = new Map<string, { nonce: number; since: number }>()
  /** Of the blocks since `mineEvery`, by number, in ms. */
  const madeAt = new Map<number, number>()
  const forks: number[] = []
  let head = first
  let mining: NodeJS.Timeout | null = null

  function addBlock(): number {
    head += 1
    if (mining) madeAt.set(head, Date.now())
    return head
  }

  function blockHash(number: number): string {
    const forked = forks.filter((fromBlock) => number >= fromBlock).length
    const own = chain.chainId === DEFAULT_CHAIN_ID ? 0 : chain.chainId
    const fork = `${hexOf(own, 8)}${hexOf(forked, 8)}`
    return `0x${fork}${hexOf(Math.max(0, number), 48)}`
  }

  function hashesAt(number: number): string[] {
    return [...included]
      .filter(([, { blockNumber }]) => blockNumber === number)
      .toSorted(([, one], [, other]) => one.index - other.index)
      .map(([txHash]) => txHash)
  }

  /** Without blocks of their own pace, all are as new as a head can be: a test that waits must not make it stale. */
  function timestampOf(number: number, headAgeMs: number): number {
    const oldest = madeAt.keys().next().value
    const at =
      oldest === undefined
        ? Date.now()
        : (madeAt.get(number) ?? (madeAt.get(oldest) ?? 0) - (oldest - number) * 1000)
    return Math.floor((at - headAgeMs) / 1000)
  }

  function headerOf(number: number, { headAgeMs, lagBlocks }: View): Record<string, unknown> | null {
    if (!Number.isInteger(number) || number < 0 || number > head - lagBlocks) return null
    return {
      ...HEADER,
      hash: blockHash(number),
      number: hex(number),
      parentHash: blockHash(number - 1),
      timestamp: hex(timestampOf(number, headAgeMs)),
    }
  }

  function blockOf(number: number, isWhole: boolean, view: View): object | null {
    const header = headerOf(number, view)
    if (!header) return null
    const hashes = hashesAt(number)
    return { ...header, transactions: isWhole ? hashes.map(transactionOf) : hashes }
  }

  function placeOf({ blockNumber, index }: Included) {
    return {
      blockHash: blockHash(blockNumber),
      blockNumber: hex(blockNumber),
      transactionIndex: hex(index),
    }
  }

  function receiptOf(txHash: string): object | null {
    const found = included.get(txHash)
    if (!found) return null
    return {
      ...RECEIPT,
      ...placeOf(found),
      from: found.sender,
      nonce: hex(found.nonce),
      senderTxHash: txHash,
      transactionHash: txHash,
      ...found.receipt,
    }
  }

  function transactionOf(txHash: string): object | null {
    const found = included.get(txHash)
    const account = found ?? pool.get(txHash)
    if (!account) return null
    const place = found ? placeOf(found) : { blockHash: null, blockNumber: null, transactionIndex: null }
    return {
      ...TRANSACTION,
      ...place,
      from: account.sender,
      hash: txHash,
      nonce: hex(account.nonce),
      senderTxHash: txHash,
    }
  }

  function nonceAt(sender: string, number: number): number {
    const set = nonces.get(sender)
    if (set && number >= set.since) return set.nonce
    const used = [...included.values()]
      .filter((each) => each.sender === sender && each.blockNumber <= number)
      .map(({ nonce }) => nonce + 1)
    return Math.max(0, ...used)
  }

  function numberOf(block: unknown, lagBlocks: number): number {
    const given = String(block)
    if (given.length !== 66) {
      const isTag = ['latest', 'pending', 'safe', 'finalized'].includes(given)
      return isTag ? head - lagBlocks : Number(given)
    }
    const number = Number(`0x${given.slice(18)}`)
    return blockHash(number) === given ? number : -1
  }

  const chain: ScriptedChain = {
    chainId,
    include: (txHashes, { succeeded = true, txError, sender, nonce, receipt = {} } = {}) => {
      const blockNumber = addBlock()
      for (const [index, txHash] of [txHashes].flat().entries()) {
        const pending = pool.get(txHash)
        const failure = { status: '0x0', ...(txError === undefined ? {} : { txError }) }
        included.set(txHash, {
          blockNumber,
          index,
          sender: sender ?? pending?.sender ?? `0x${txHash.slice(-40)}`,
          nonce: nonce ?? pending?.nonce ?? 0,
          receipt: { ...(succeeded ? {} : failure), ...receipt },
        })
      }
      return blockNumber
    },
    exclude: (txHash) => void included.delete(txHash),
    pend: (txHash, sender, nonce) => void pool.set(txHash, { sender, nonce }),
    drop: (txHash) => void pool.delete(txHash),
    setNonce: (sender, nonce) => void nonces.set(sender, { nonce, since: head }),
    mine: (blocks = 1) => {
      for (let count = 0; count < blocks; count++) addBlock()
    },
    mineEvery: (intervalMs) => {
      if (mining) clearInterval(mining)
      mining = setInterval(addBlock, intervalMs)
      madeAt.set(head, Date.now())
    },
    head: () => head,
    fork: (fromBlock) => {
      forks.push(fromBlock)
      head = fromBlock - 1
      for (const [txHash, { blockNumber }] of included) {
        if (blockNumber >= fromBlock) included.delete(txHash)
      }
    },
    answer: (method, params, view = { headAgeMs: 0, lagBlocks: 0 }) => {
      const { lagBlocks } = view
      const [one, two] = params
      switch (method.replace(/^(klay|kaia|eth)_/, '')) {
        case 'chainID':
        case 'chainId':
          return hex(chain.chainId)
        case 'blockNumber':
          return hex(head - lagBlocks)
        case 'getHeaderByNumber':
        case 'getHeaderByHash':
          return headerOf(numberOf(one, lagBlocks), view)
        case 'getBlockByNumber':
        case 'getBlockByHash':
          return blockOf(numberOf(one, lagBlocks), two === true, view)
        case 'getBlockReceipts': {
          const number = numberOf(one, lagBlocks)
          return number < 0 || number > head ? null : hashesAt(number).map(receiptOf)
        }
        case 'getTransactionReceipt':
          return receiptOf(String(one))
        case 'getTransactionByHash':
          return transactionOf(String(one))
        case 'getTransactionCount':
          return hex(nonceAt(String(one).toLowerCase(), numberOf(two ?? 'latest', lagBlocks)))
        default:
          throw new UnknownMethod(`the method ${method} does not exist/is not available`)
      }
    },
    stop: () => {
      if (mining) clearInterval(mining)
      mining = null
    },
  }
  return chain
}

function hexOf(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0')
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}
