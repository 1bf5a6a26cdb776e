import { type DrillChain, type Outcome, senderOf } from './chain.ts'

/** The chain as a node may show it. */
export type ChainView = Pick<
  DrillChain,
  'find' | 'isKnown' | 'nonceOf' | 'blockHash' | 'timestampS' | 'transactionsIn'
>

/** What a node answers from. */
export interface NodeView {
  readonly chain: ChainView
  readonly chainId: number
  /** The newest block that it shows. */
  readonly head: number
  /** Transactions of which it shows the opposite outcome. */
  readonly contrary: (txHash: string) => boolean
  /** Receipts and transactions show up to this much later than their block. */
  readonly indexLagMs: number
}

export type Answer = { readonly result: unknown } | { readonly error: { code: number; message: string } }

export const NO_SUCH_METHOD = -32_601
const ZERO_ADDRESS = `0x${'0'.repeat(40)}`

/** The name of a method without its namespace, in lower case. */
export function bareName(method: string): string {
  return method.replace(/^(klay|kaia|eth)_/, '').toLowerCase()
}

/** The right answer to one call, as this view has it. */
export function answerFrom(view: NodeView, method: string, parameters: readonly unknown[]): Answer {
  const { chain, head } = view
  const [first, second] = parameters
  switch (bareName(method)) {
    case 'chainid':
      return { result: hex(view.chainId) }
    case 'blocknumber':
      return { result: hex(head) }
    case 'gettransactionreceipt':
      return { result: receiptOf(view, String(first)) }
    case 'getblockbynumber':
    case 'getheaderbynumber': {
      const blockNumber = numbered(first, head)
      return { result: blockNumber > head ? null : blockOf(chain, blockNumber) }
    }
    case 'getblockreceipts': {
      const blockNumber = Number(`0x${String(first).slice(-32)}`)
      if (chain.blockHash(blockNumber) !== first || blockNumber > head) return { result: [] }
      return { result: chain.transactionsIn(blockNumber).map((txHash) => receiptOf(view, txHash)) }
    }
    case 'gettransactionbyhash':
      return { result: transactionOf(view, String(first)) }
    case 'gettransactioncount': {
      const blockNumber = Math.min(numbered(second, head), head)
      return { result: hex(chain.nonceOf(String(first).toLowerCase(), blockNumber)) }
    }
    default:
      return { error: { code: NO_SUCH_METHOD, message: `the method ${method} does not exist` } }
  }
}

function receiptOf(view: NodeView, txHash: string): object | null {
  const found = view.chain.find(txHash, view.head)
  if (!found || !isIndexed(view, txHash, found.blockNumber)) return null
  const succeeded = shownOutcome(view, txHash, found.outcome)
  return {
    transactionHash: txHash,
    blockHash: found.blockHash,
    blockNumber: hex(found.blockNumber),
    transactionIndex: hex(found.index),
    gasUsed: '0x5208',
    effectiveGasPrice: '0x5d21dba00',
    from: senderOf(txHash),
    to: ZERO_ADDRESS,
    contractAddress: null,
    logs: [],
    nonce: '0x0',
    status: succeeded ? '0x1' : '0x0',
    ...(succeeded ? {} : { txError: '0x9' }),
  }
}

function shownOutcome({ contrary }: NodeView, txHash: string, outcome: Outcome): boolean {
  return (outcome === 'confirmed') !== contrary(txHash)
}

/** How long this transaction is hidden after its block: the same at every look. */
function isIndexed({ chain, indexLagMs }: NodeView, txHash: string, blockNumber: number): boolean {
  const share = Number.parseInt(txHash.slice(2, 6), 16) / 0xffff
  return Date.now() >= chain.timestampS(blockNumber) * 1_000 + share * indexLagMs
}

function transactionOf(view: NodeView, txHash: string): object | null {
  const { chain, head } = view
  const found = chain.find(txHash, head)
  const isHidden = found !== null && !isIndexed(view, txHash, found.blockNumber)
  if (isHidden || !chain.isKnown(txHash, head)) return null
  return {
    hash: txHash,
    from: senderOf(txHash),
    nonce: '0x0',
    value: '0x0',
    gas: '0x0',
    blockHash: found?.blockHash ?? null,
    blockNumber: found ? hex(found.blockNumber) : null,
    transactionIndex: found ? hex(found.index) : null,
  }
}

function blockOf(chain: ChainView, blockNumber: number): object {
  return {
    number: hex(blockNumber),
    hash: chain.blockHash(blockNumber),
    parentHash: chain.blockHash(blockNumber - 1),
    timestamp: hex(chain.timestampS(blockNumber)),
    timestampFoS: '0x0',
    gasUsed: '0x0',
    size: '0x200',
    blockscore: '0x1',
    totalBlockScore: hex(blockNumber),
    transactions: chain.transactionsIn(blockNumber),
  }
}

function numbered(tag: unknown, head: number): number {
  return typeof tag === 'string' && tag.startsWith('0x') ? Number(tag) : head
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}
