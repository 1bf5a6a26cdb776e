import { RPC_METHODS } from '../../../src/chain/rpc-methods.ts'
import { type NAMESPACES, recordedAnswer, recordedFields, recording } from '../kaia-answers.ts'

export type Namespace = (typeof NAMESPACES)[number]
export type Fields = Readonly<Record<string, unknown>>

/** What becomes of the transaction in the end. */
export type Ending = 'confirmed' | 'failed' | 'never' | 'replaced'

/** A true answer of a node. */
export type TrueAnswer = { readonly result: unknown } | { readonly error: { code: number; message: string } }

/** The chain that was recorded, with one transaction that is looked at, on a clock with blocks of 1 s. */
export interface RecordedWorld {
  readonly namespace: Namespace
  /** Of the transaction's recording. */
  readonly name: string
  readonly ending: Ending
  readonly txHash: string
  /** As a node shows them; null: it shows no such transaction. */
  readonly seen: { readonly sender: string; readonly nonce: number } | null
  readonly chainId: number
  /** The time at which the history begins. */
  readonly startMs: number
  /** The block that it is included in, or in which another one takes its nonce; null: none. */
  readonly endsIn: number | null
  readonly replacedBy: string | null
  headAt(nowMs: number): number
  hashOf(blockNumber: number): string
  /** Of a block of which there are receipts. */
  numberOf(blockHash: string): number
  /** What a node says whose head is this. */
  answer(method: string, params: readonly unknown[], head: number): TrueAnswer
}

export interface WorldOptions {
  readonly namespace: Namespace
  readonly name: string
  /** Blocks between the beginning and the one that it ends in; negative: it has ended before. */
  readonly leadBlocks: number
  /** As if `cancel` had taken the nonce of `cancelled`, which was then never included. */
  readonly isReplaced?: boolean
}

const CHAIN_ID = 9_999
const NOT_INCLUDED = { blockHash: null, blockNumber: null, transactionIndex: null }
/** The two transactions of which one takes the other's nonce, where a world is told so. */
export const REPLACED = 'cancelled'
const REPLACING = 'cancel'
/** Whose block there is where the transaction is in none. */
const ANY = 'legacy'

/** The recordings that hold a whole block, with all its transactions and receipts; the first transaction is looked at. */
export const WHOLE_BLOCKS = ['block', 'block-concat']

/** What was recorded, put into the place that a world gives it. */
interface Recorded {
  readonly txHash: string
  readonly block: Fields
  readonly transactions: ReadonlyMap<string, Fields>
  readonly receipts: ReadonlyMap<string, Fields>
  readonly blockReceipts: unknown
}

export function createRecordedWorld(options: WorldOptions): RecordedWorld {
  const { namespace, name, leadBlocks, isReplaced = false } = options
  const { txHash, block, transactions, receipts, blockReceipts } = isReplaced
    ? readReplaced(namespace)
    : readRecorded(namespace, name)
  const recordedNumber = Number(block['number'])
  const recordedSeconds = Number(block['timestamp'])
  const endsIn = name === 'never' ? null : recordedNumber
  const replacedBy = isReplaced ? (recording(REPLACING).hash ?? '') : null
  const own = transactions.get(txHash)
  const hasEnded = (head: number) => endsIn !== null && head >= endsIn

  function hashOf(blockNumber: number): string {
    if (blockNumber === recordedNumber) return String(block['hash'])
    if (blockNumber === recordedNumber - 1) return String(block['parentHash'])
    return `0x${'e'.repeat(56)}${blockNumber.toString(16).padStart(8, '0')}`
  }

  function blockAt(blockNumber: number, head: number): Fields | null {
    if (blockNumber > head || blockNumber < 0) return null
    if (blockNumber === recordedNumber) return block
    return {
      ...block,
      number: hex(blockNumber),
      hash: hashOf(blockNumber),
      parentHash: hashOf(blockNumber - 1),
      timestamp: hex(recordedSeconds + blockNumber - recordedNumber),
      transactions: [],
    }
  }

  function headerAt(blockNumber: number, head: number): Fields | null {
    const found = blockAt(blockNumber, head)
    if (!found) return null
    const { transactions: _, ...header } = found
    return header
  }

  function transactionAt(hash: string, head: number): Fields | null {
    const found = transactions.get(hash)
    if (!found) return null
    if (hash === txHash && replacedBy !== null) return hasEnded(head) ? null : { ...found, ...NOT_INCLUDED }
    if (hash === replacedBy) return hasEnded(head) ? found : null
    return hasEnded(head) ? found : { ...found, ...NOT_INCLUDED }
  }

  function countAt(address: string, blockNumber: number, head: number): TrueAnswer {
    if (blockNumber > head) return { error: { code: -32_000, message: 'header not found' } }
    if (address !== own?.['from']) return { result: '0x0' }
    const nonce = Number(own['nonce'])
    return { result: hex(hasEnded(blockNumber) ? nonce + 1 : nonce) }
  }

  return {
    namespace,
    name,
    txHash,
    seen: own ? { sender: String(own['from']), nonce: Number(own['nonce']) } : null,
    chainId: CHAIN_ID,
    ending: isReplaced ? 'replaced' : endingOf(name, receipts.get(txHash)),
    endsIn,
    replacedBy,
    startMs: (recordedSeconds + (endsIn === null ? 1 : -leadBlocks)) * 1_000 + 500,
    headAt: (nowMs) => recordedNumber + Math.floor(nowMs / 1_000) - recordedSeconds,
    hashOf,
    numberOf: () => recordedNumber,
    answer: (method, [first, second], head) => {
      switch (method) {
        case RPC_METHODS.chainId:
          return { result: hex(CHAIN_ID) }
        case RPC_METHODS.header:
          return { result: headerAt(first === 'latest' ? head : Number(first), head) }
        case RPC_METHODS.block:
          return { result: blockAt(Number(first), head) }
        case RPC_METHODS.blockReceipts:
          return { result: first === block['hash'] && hasEnded(head) ? blockReceipts : null }
        case RPC_METHODS.receipt:
          return { result: hasEnded(head) ? (receipts.get(String(first)) ?? null) : null }
        case RPC_METHODS.transaction:
          return { result: transactionAt(String(first), head) }
        case RPC_METHODS.transactionCount:
          return countAt(String(first), Number(second), head)
        default:
          return { error: { code: -32_601, message: `the method ${method} does not exist` } }
      }
    },
  }
}

function readRecorded(namespace: Namespace, name: string): Recorded {
  const fieldsOf = (of: string, method: string) => recordedFields(of, `${namespace}_${method}`)
  if (WHOLE_BLOCKS.includes(name)) return readWholeBlock(namespace, name)
  const txHash = recording(name).hash ?? ''
  if (name === 'never') {
    const none = new Map<string, Fields>()
    const block = fieldsOf(ANY, 'getBlockByNumber')
    return { txHash, block, transactions: none, receipts: none, blockReceipts: null }
  }
  const receipt = fieldsOf(name, 'getTransactionReceipt')
  return {
    txHash,
    block: fieldsOf(name, 'getBlockByNumber'),
    transactions: new Map([[txHash, fieldsOf(name, 'getTransactionByHash')]]),
    receipts: new Map([[txHash, receipt]]),
    blockReceipts: [receipt],
  }
}

function readReplaced(namespace: Namespace): Recorded {
  const fieldsOf = (of: string, method: string) => recordedFields(of, `${namespace}_${method}`)
  const txHash = recording(REPLACED).hash ?? ''
  const transaction = fieldsOf(REPLACED, 'getTransactionByHash')
  const { from, nonce } = transaction
  /** The eth namespace shows no nonce in receipts. */
  const inItsPlace = (answer: Fields) => ({ ...answer, from, ...('nonce' in answer ? { nonce } : {}) })
  const replacing = recording(REPLACING).hash ?? ''
  const receipt = inItsPlace(fieldsOf(REPLACING, 'getTransactionReceipt'))
  return {
    txHash,
    block: fieldsOf(REPLACING, 'getBlockByNumber'),
    transactions: new Map([
      [txHash, transaction],
      [replacing, inItsPlace(fieldsOf(REPLACING, 'getTransactionByHash'))],
    ]),
    receipts: new Map([[replacing, receipt]]),
    blockReceipts: [receipt],
  }
}

function readWholeBlock(namespace: Namespace, name: string): Recorded {
  const block = recordedFields(name, `${namespace}_getBlockByNumber`)
  const whole = recordedFields(name, `${namespace}_getBlockByHash`)
  const blockReceipts = recordedAnswer(name, `${namespace}_getBlockReceipts`) as Fields[]
  const transactions = whole['transactions'] as Fields[]
  return {
    txHash: String((block['transactions'] as unknown[])[0]),
    block,
    transactions: new Map(transactions.map((each) => [String(each['hash']), each])),
    receipts: new Map(blockReceipts.map((each) => [String(each['transactionHash']), each])),
    blockReceipts,
  }
}

function endingOf(name: string, receipt: Fields | undefined): Ending {
  if (name === 'never') return 'never'
  return receipt?.['status'] === '0x1' ? 'confirmed' : 'failed'
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}
