import { randomBytes } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'

/** How the node answers a call, before it looks at the script: null means as it should. */
export type Fault = (method: string, params: readonly unknown[]) => Answer | null

export type Answer =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** The right answer, late. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'body'; readonly body: string }
  | { readonly kind: 'hang' }
  | { readonly kind: 'disconnect' }

/** What a request meets, not a call. */
type WholeAnswer = Exclude<Answer, { readonly kind: 'result' | 'error' }>

/** A JSON-RPC node that answers from a script, for faults that no real node makes on demand. */
export interface ScriptedNode {
  readonly url: string
  /** Puts a transaction on the chain, in a new block. */
  include(txHash: string, outcome?: { succeeded?: boolean; txError?: string }): void
  /** Takes it off again, as a node that lags or a chain that forks would. */
  exclude(txHash: string): void
  /** Puts a transaction into the pool, where it can be seen with sender and nonce; `drop` takes it out. */
  pend(txHash: string, sender: string, nonce: number): void
  drop(txHash: string): void
  /** The sender's confirmed nonce from this block on; 0 before. */
  setNonce(sender: string, nonce: number): void
  mine(blocks?: number): void
  /**
   * Leaves the chain from this block on, as a fork does: its newest block is the one before, later ones get other
   * hashes, and what was included in the blocks that are gone is not on the chain any more.
   */
  fork(fromBlock: number): void
  /** The number of its newest block. */
  head(): number
  /** How often a method was called. */
  asked(method: string): number
  /** How old the newest block seems. */
  headAgeMs: number
  /** How many of the newest blocks it does not show, as a node that is behind. */
  lagBlocks: number
  fault: Fault
  chainId: number
  /** Times, in ms, at which receipts of this hash were asked for. */
  looks(txHash: string): readonly number[]
  stop(): Promise<void>
}

interface Call {
  id: number
  method: string
  params: unknown[]
}

export async function startScriptedNode(): Promise<ScriptedNode> {
  let head = 100
  const receipts = new Map<string, { blockNumber: string }>()
  const pool = new Map<string, { from: string; nonce: string }>()
  const nonces = new Map<string, { nonce: number; since: number }>()
  const asked = new Map<string, number[]>()
  const methods = new Map<string, number>()
  const hanging = new Set<ServerResponse>()
  const forks: number[] = []

  const node: ScriptedNode = {
    url: '',
    fault: () => null,
    chainId: 8217,
    headAgeMs: 0,
    lagBlocks: 0,
    include: (txHash, { succeeded = true, txError } = {}) => {
      head += 1
      receipts.set(txHash, {
        transactionHash: txHash,
        blockHash: blockHash(head),
        blockNumber: hex(head),
        transactionIndex: '0x0',
        gasUsed: '0x5208',
        effectiveGasPrice: '0x5d21dba00',
        status: succeeded ? '0x1' : '0x0',
        ...(txError === undefined ? {} : { txError }),
      } as { blockNumber: string })
    },
    exclude: (txHash) => void receipts.delete(txHash),
    pend: (txHash, sender, nonce) => void pool.set(txHash, { from: sender, nonce: hex(nonce) }),
    drop: (txHash) => void pool.delete(txHash),
    setNonce: (sender, nonce) => void nonces.set(sender, { nonce, since: head }),
    mine: (blocks = 1) => {
      head += blocks
    },
    fork: (fromBlock) => {
      forks.push(fromBlock)
      head = fromBlock - 1
      for (const [txHash, { blockNumber }] of receipts) {
        if (Number(blockNumber) >= fromBlock) receipts.delete(txHash)
      }
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
        return headerAt(first === 'latest' ? head - node.lagBlocks : Number(first))
      case 'klay_getBlockByNumber': {
        const header = headerAt(Number(first))
        return header && { ...header, transactions: receiptsAt(hex(Number(first))).map(([txHash]) => txHash) }
      }
      case 'klay_getBlockReceipts':
        return receiptsAt(hex(Number(`0x${first.slice(10)}`))).map(([, receipt]) => receipt)
      case 'klay_getTransactionReceipt':
        return receipts.get(first) ?? null
      case 'klay_getTransactionByHash': {
        const mined = receipts.get(first)
        const pending = pool.get(first)
        return pending ? { ...pending, blockNumber: mined?.blockNumber ?? null } : null
      }
      case 'klay_getTransactionCount':
        return hex(nonceAt(first.toLowerCase(), Number(params[1])))
      default:
        throw new Error(`the scripted node does not know ${method}`)
    }
  }

  function receiptsAt(blockNumber: string): [string, { blockNumber: string }][] {
    return [...receipts].filter(([, receipt]) => receipt.blockNumber === blockNumber)
  }

  function nonceAt(sender: string, blockNumber: number): number {
    const known = nonces.get(sender)
    return known && blockNumber >= known.since ? known.nonce : 0
  }

  function headerAt(number: number): object | null {
    if (number > head - node.lagBlocks) return null
    const timestamp = Math.floor((Date.now() - node.headAgeMs) / 1000)
    const parentHash = blockHash(Math.max(0, number - 1))
    return { number: hex(number), hash: blockHash(number), parentHash, timestamp: hex(timestamp) }
  }

  /** Says how many forks the block is on, and its number. */
  function blockHash(blockNumber: number): string {
    const forked = forks.filter((fromBlock) => blockNumber >= fromBlock).length
    return `0x${forked.toString(16).padStart(8, '0')}${blockNumber.toString(16).padStart(56, '0')}`
  }

  function respond(payload: Call | Call[], response: ServerResponse): void {
    const calls = [payload].flat()
    for (const { method, params } of calls) {
      methods.set(method, (methods.get(method) ?? 0) + 1)
      if (method !== 'klay_getTransactionReceipt') continue
      const txHash = String(params[0])
      asked.set(txHash, [...(asked.get(txHash) ?? []), Date.now()])
    }
    const rightAnswer = (call: Call): Answer => ({ kind: 'result', result: resultOf(call) })
    const answers = calls.map((call) => node.fault(call.method, call.params) ?? rightAnswer(call))
    // What a request meets as a whole, all calls of its batch meet.
    const whole = answers.find(
      (answer): answer is WholeAnswer => answer.kind !== 'result' && answer.kind !== 'error',
    )
    if (whole) respondAsWhole(whole, () => send(calls.map(rightAnswer)), response)
    else send(answers)

    function send(given: readonly Answer[]): void {
      const frames = given.map((answer, index) => frameOf(calls[index], answer))
      response.end(JSON.stringify(Array.isArray(payload) ? frames : frames[0]))
    }
  }

  function frameOf(call: Call | undefined, answer: Answer): object {
    const frame = { jsonrpc: '2.0', id: call?.id }
    if (answer.kind === 'result') return { ...frame, result: answer.result }
    const error = answer.kind === 'error' ? { code: answer.code, message: answer.message } : null
    return { ...frame, error }
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

function hex(number: number): string {
  return `0x${number.toString(16)}`
}
