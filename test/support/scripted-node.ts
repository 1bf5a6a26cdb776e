import { randomBytes } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'
import { recordedFields } from './kaia-answers.ts'

/** How the node answers a call, before it looks at the script: null means as it should. */
export type Fault = (method: string, params: readonly unknown[]) => Answer | null

export type Answer =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  /** The whole response object of the call, whatever it is. */
  | { readonly kind: 'response'; readonly response: unknown }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** The right answer, late. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'body'; readonly body: string }
  | { readonly kind: 'hang' }
  | { readonly kind: 'disconnect' }

/** What a request meets, not a call. */
type WholeAnswer = Exclude<Answer, { readonly kind: 'result' | 'error' | 'response' }>

/**
 * A JSON-RPC node that answers from a script, for faults that no real node makes on demand. Its answers are those of a
 * real Kaia node, with other hashes, numbers and outcomes.
 */
export interface ScriptedNode {
  readonly url: string
  /** Puts a transaction on the chain, in a new block. */
  include(txHash: string, outcome?: Outcome): void
  /** Takes it off again, as a node that lags or a chain that forks would. */
  exclude(txHash: string): void
  /** Puts a transaction into the pool, where it can be seen with sender and nonce; `drop` takes it out. */
  pend(txHash: string, sender: string, nonce: number): void
  drop(txHash: string): void
  /** The sender's confirmed nonce from this block on; 0 before. */
  setNonce(sender: string, nonce: number): void
  mine(blocks?: number): void
  /** The number of its newest block. */
  head(): number
  /** How often a method was called. */
  asked(method: string): number
  /** How old the newest block seems. */
  headAgeMs: number
  fault: Fault
  chainId: number
  /** Times, in ms, at which receipts of this hash were asked for. */
  looks(txHash: string): readonly number[]
  stop(): Promise<void>
}

export interface Outcome {
  readonly succeeded?: boolean
  readonly txError?: string
  /** Left out: those under which it is in the pool, or any. */
  readonly sender?: string
  readonly nonce?: number
}

interface Call {
  id: number
  method: string
  params: unknown[]
}

/** Where a transaction is, and what is particular to it in its receipt. */
interface Included {
  readonly blockNumber: number
  readonly fields: { readonly from: string; readonly nonce: string }
}

const SENDER = `0x${'90'.repeat(20)}`
const OF_ONE_CALL: ReadonlySet<Answer['kind']> = new Set(['result', 'error', 'response'])
const RECEIPT = recordedFields('valueTransfer', 'klay_getTransactionReceipt')
const TRANSACTION = recordedFields('valueTransfer', 'klay_getTransactionByHash')
const { transactions: _, ...HEADER } = recordedFields('block', 'klay_getBlockByNumber')

export async function startScriptedNode(): Promise<ScriptedNode> {
  let head = 100
  const included = new Map<string, Included>()
  const pool = new Map<string, { from: string; nonce: string }>()
  const nonces = new Map<string, { nonce: number; since: number }>()
  const asked = new Map<string, number[]>()
  const methods = new Map<string, number>()
  const hanging = new Set<ServerResponse>()

  const node: ScriptedNode = {
    url: '',
    fault: () => null,
    chainId: 8217,
    headAgeMs: 0,
    include: (txHash, { succeeded = true, txError, sender, nonce } = {}) => {
      head += 1
      const { from, nonce: pooled } = pool.get(txHash) ?? { from: SENDER, nonce: '0x0' }
      const fields = {
        from: sender ?? from,
        nonce: nonce === undefined ? pooled : hex(nonce),
        status: succeeded ? '0x1' : '0x0',
        ...(txError === undefined ? {} : { txError }),
      }
      included.set(txHash, { blockNumber: head, fields })
    },
    exclude: (txHash) => void included.delete(txHash),
    pend: (txHash, sender, nonce) => void pool.set(txHash, { from: sender, nonce: hex(nonce) }),
    drop: (txHash) => void pool.delete(txHash),
    setNonce: (sender, nonce) => void nonces.set(sender, { nonce, since: head }),
    mine: (blocks = 1) => {
      head += blocks
    },
    head: () => head,
    asked: (method) => methods.get(method) ?? 0,
    looks: (txHash) => asked.get(txHash) ?? [],
    stop: () => closeAtOnce(server),
  }

  function resultOf({ method, params }: Call): unknown {
    const first = String(params[0])
    switch (method) {
      case 'klay_chainID':
        return hex(node.chainId)
      case 'klay_getHeaderByNumber':
        return headerAt(first === 'latest' ? head : Number(first))
      case 'klay_getBlockByNumber': {
        const header = headerAt(Number(first))
        return header && { ...header, transactions: hashesAt(Number(first)) }
      }
      case 'klay_getBlockReceipts':
        return hashesAt(Number(first)).map(receiptOf)
      case 'klay_getTransactionReceipt':
        return receiptOf(first)
      case 'klay_getTransactionByHash':
        return transactionOf(first)
      case 'klay_getTransactionCount':
        return hex(nonceAt(first.toLowerCase(), Number(params[1])))
      default:
        return undefined
    }
  }

  function hashesAt(blockNumber: number): string[] {
    return [...included].filter(([, each]) => each.blockNumber === blockNumber).map(([txHash]) => txHash)
  }

  function placeOf(txHash: string): object | null {
    const found = included.get(txHash)
    if (!found) return null
    const { blockNumber } = found
    const transactionIndex = hex(hashesAt(blockNumber).indexOf(txHash))
    return { blockHash: blockHash(blockNumber), blockNumber: hex(blockNumber), transactionIndex }
  }

  function receiptOf(txHash: string): object | null {
    const found = included.get(txHash)
    if (!found) return null
    const place = placeOf(txHash)
    return { ...RECEIPT, ...found.fields, ...place, transactionHash: txHash, senderTxHash: txHash }
  }

  function transactionOf(txHash: string): object | null {
    const known = pool.get(txHash) ?? included.get(txHash)?.fields
    if (!known) return null
    const { from, nonce } = known
    const place = placeOf(txHash) ?? { blockHash: null, blockNumber: null, transactionIndex: null }
    return { ...TRANSACTION, from, nonce, ...place, hash: txHash, senderTxHash: txHash }
  }

  function nonceAt(sender: string, blockNumber: number): number {
    const known = nonces.get(sender)
    return known && blockNumber >= known.since ? known.nonce : 0
  }

  function headerAt(number: number): object | null {
    if (number > head) return null
    const timestamp = Math.floor((Date.now() - node.headAgeMs) / 1000)
    const parentHash = blockHash(Math.max(0, number - 1))
    return { ...HEADER, number: hex(number), hash: blockHash(number), parentHash, timestamp: hex(timestamp) }
  }

  function respond(payload: Call | Call[], response: ServerResponse): void {
    const calls = [payload].flat()
    for (const { method, params } of calls) {
      methods.set(method, (methods.get(method) ?? 0) + 1)
      if (method !== 'klay_getTransactionReceipt') continue
      const txHash = String(params[0])
      asked.set(txHash, [...(asked.get(txHash) ?? []), Date.now()])
    }
    const rightAnswer = (call: Call): Answer => {
      const result = resultOf(call)
      return result === undefined
        ? { kind: 'error', code: -32_601, message: `the method ${call.method} does not exist` }
        : { kind: 'result', result }
    }
    const answers = calls.map((call) => node.fault(call.method, call.params) ?? rightAnswer(call))
    // What a request meets as a whole, all calls of its batch meet.
    const whole = answers.find((answer): answer is WholeAnswer => !OF_ONE_CALL.has(answer.kind))
    if (whole) respondAsWhole(whole, () => send(calls.map(rightAnswer)), response)
    else send(answers)

    function send(given: readonly Answer[]): void {
      const frames = given.map((answer, index) => frameOf(calls[index], answer))
      response.end(JSON.stringify(Array.isArray(payload) ? frames : frames[0]))
    }
  }

  function frameOf(call: Call | undefined, answer: Answer): unknown {
    if (answer.kind === 'response') return answer.response
    const frame = { jsonrpc: '2.0', id: call?.id }
    if (answer.kind === 'result') return { ...frame, result: answer.result }
    if (answer.kind === 'error') return { ...frame, error: { code: answer.code, message: answer.message } }
    return frame
  }

  function respondAsWhole(answer: WholeAnswer, sendRight: () => void, response: ServerResponse): void {
    switch (answer.kind) {
      case 'status':
        response.writeHead(answer.status, answer.headers).end('no')
        return
      case 'slow':
        setTimeout(sendRight, answer.delayMs)
        return
      case 'body':
        response.end(answer.body)
        return
      case 'hang':
        hanging.add(response)
        return
      case 'disconnect':
        response.destroy()
    }
  }

  const server = createServer((request, response) => {
    void text(request).then((body) => respond(JSON.parse(body) as Call | Call[], response))
  })
  const port = await listenOnLoopback(server)
  return Object.assign(node, { url: `http://127.0.0.1:${port}` })
}

/** A hash that no other test uses. */
export function randomHash(): string {
  return `0x${randomBytes(32).toString('hex')}`
}

function blockHash(blockNumber: number): string {
  return `0x${blockNumber.toString(16).padStart(64, '0')}`
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}
