import { createServer, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'
import { type DrillChain, type Outcome, senderOf } from './chain.ts'
import type { Random } from './random.ts'

/** How often a node errs; each is a share of the requests, from 0 to 1. What is left out is 0. */
export interface NodeFaults {
  /** A JSON-RPC error, HTTP status 500 or a connection that breaks, in turn. */
  readonly error?: number
  /** Null instead of a receipt that exists. */
  readonly receiptAbsent?: number
  /** HTTP status 429 with Retry-After. */
  readonly tooManyRequests?: number
  /** No answer at all. */
  readonly hang?: number
  /**
   * Receipts and transactions show up to this much later than their block, while the sender's nonce is there
   * at once: what a good transaction and a replaced one have in common.
   */
  readonly indexLagMs?: number
  /** Share of time slots in which the node shows the chain as it was a while ago. */
  readonly stale?: number
}

/** A JSON-RPC node of the drill's chain. */
export interface DrillNode {
  readonly url: string
  faults: NodeFaults
  /** Requests taken so far. */
  requests(): number
  /** Told of each look for a receipt. */
  onLook: (txHash: string) => void
  stop(): Promise<void>
}

export interface DrillNodeOptions {
  readonly chain: DrillChain
  readonly random: Random
  readonly chainId: number
  /** Shows the opposite of every outcome, as only a node of another chain could. */
  readonly contrary?: boolean
}

interface Call {
  readonly id: number | string
  readonly method: string
  readonly params?: readonly unknown[]
}

type Answer = { readonly result: unknown } | { readonly error: { code: number; message: string } }

const STALE_SLOT_MS = 2_000
const STALE_BLOCKS = 60
const RETRY_AFTER_S = 1
const ZERO_ADDRESS = `0x${'0'.repeat(40)}`
const NO_SUCH_METHOD = -32_601

export async function startDrillNode(options: DrillNodeOptions): Promise<DrillNode> {
  const { chain, random, chainId, contrary = false } = options
  let faults: NodeFaults = {}
  let requests = 0
  let onLook: (txHash: string) => void = () => undefined
  let staleSlot = { number: -1, stale: false }

  /** Head of the view that is shown. It stays stale for a slot, so that head and receipt fit each other. */
  function shownHead(): number {
    const number = Math.floor(Date.now() / STALE_SLOT_MS)
    if (staleSlot.number !== number) staleSlot = { number, stale: random() < (faults.stale ?? 0) }
    return chain.head() - (staleSlot.stale ? STALE_BLOCKS : 0)
  }

  function shownOutcome(outcome: Outcome): boolean {
    return (outcome === 'confirmed') !== contrary
  }

  /** How long this transaction is hidden after its block: the same at every look. */
  function isIndexed(txHash: string, blockNumber: number): boolean {
    const share = Number.parseInt(txHash.slice(2, 6), 16) / 0xffff
    return Date.now() >= chain.timestampS(blockNumber) * 1_000 + share * (faults.indexLagMs ?? 0)
  }

  function receiptOf(txHash: string, head: number): object | null {
    const found = chain.find(txHash, head)
    if (!found || !isIndexed(txHash, found.blockNumber)) return null
    const succeeded = shownOutcome(found.outcome)
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

  function blockOf(blockNumber: number): object {
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

  function resultOf(method: string, parameters: readonly unknown[]): Answer {
    const head = shownHead()
    const [first, second] = parameters
    switch (method.replace(/^(klay|kaia|eth)_/, '').toLowerCase()) {
      case 'chainid':
        return { result: hex(chainId) }
      case 'blocknumber':
        return { result: hex(head) }
      case 'gettransactionreceipt': {
        onLook(String(first))
        const hidden = random() < (faults.receiptAbsent ?? 0)
        return { result: hidden ? null : receiptOf(String(first), head) }
      }
      case 'getblockbynumber':
      case 'getheaderbynumber': {
        const blockNumber = numbered(first, head)
        return { result: blockNumber > head ? null : blockOf(blockNumber) }
      }
      case 'getblockreceipts': {
        const blockNumber = Number(`0x${String(first).slice(-32)}`)
        if (chain.blockHash(blockNumber) !== first || blockNumber > head) return { result: [] }
        return { result: chain.transactionsIn(blockNumber).map((txHash) => receiptOf(txHash, head)) }
      }
      case 'gettransactionbyhash': {
        const txHash = String(first)
        const found = chain.find(txHash, head)
        const isHidden = found !== null && !isIndexed(txHash, found.blockNumber)
        if (isHidden || !chain.isKnown(txHash, head)) return { result: null }
        const place = {
          blockHash: found?.blockHash ?? null,
          blockNumber: found ? hex(found.blockNumber) : null,
          transactionIndex: found ? hex(found.index) : null,
        }
        return {
          result: { hash: txHash, from: senderOf(txHash), nonce: '0x0', value: '0x0', gas: '0x0', ...place },
        }
      }
      case 'gettransactioncount':
        return {
          result: hex(chain.nonceOf(String(first).toLowerCase(), Math.min(numbered(second, head), head))),
        }
      default:
        return { error: { code: NO_SUCH_METHOD, message: `the method ${method} does not exist` } }
    }
  }

  function answer(call: Call): object {
    return { jsonrpc: '2.0', id: call.id, ...resultOf(call.method, call.params ?? []) }
  }

  function fail(call: Call, response: ServerResponse): void {
    const kind = requests % 3
    if (kind === 0) response.destroy()
    else if (kind === 1) response.writeHead(500).end('no')
    else {
      const error = { code: -32_000, message: 'an error that the drill made' }
      response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, error }))
    }
  }

  function respond(body: string, response: ServerResponse): void {
    requests += 1
    const payload = JSON.parse(body) as Call | Call[]
    const chance = random()
    const { error = 0, tooManyRequests = 0, hang = 0 } = faults
    if (chance < hang) return
    if (chance < hang + tooManyRequests) {
      response.writeHead(429, { 'retry-after': String(RETRY_AFTER_S) }).end('too many requests')
    } else if (chance < hang + tooManyRequests + error) {
      const call = Array.isArray(payload) ? payload[0] : payload
      if (call) fail(call, response)
    } else {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(Array.isArray(payload) ? payload.map(answer) : answer(payload)))
    }
  }

  const server = createServer((request, response) => {
    text(request).then(
      (body) => respond(body, response),
      () => response.destroy(),
    )
  })
  server.keepAliveTimeout = 60_000
  const port = await listenOnLoopback(server)
  return {
    url: `http://127.0.0.1:${port}`,
    get faults() {
      return faults
    },
    set faults(changed) {
      faults = changed
    },
    get onLook() {
      return onLook
    },
    set onLook(changed) {
      onLook = changed
    },
    requests: () => requests,
    stop: () => closeAtOnce(server),
  }
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}
