import { randomBytes } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'
import { createScriptedChain, type Outcome, type ScriptedChain, UnknownMethod } from './scripted-chain.ts'

/** How the node answers a call, before it looks at the script: null means as it should. */
export type Fault = (method: string, params: readonly unknown[]) => Answer | null

export type Answer =
  | { readonly kind: 'result'; readonly result: unknown }
  /** The right result, altered. */
  | { readonly kind: 'altered'; readonly alter: (result: unknown) => unknown }
  | { readonly kind: 'error'; readonly code: unknown; readonly message: unknown }
  /** The whole response object of the call, whatever it is. */
  | { readonly kind: 'response'; readonly response: unknown }
  | RequestAnswer

/** What a request meets, not a call. */
export type RequestAnswer =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** The right answer, late. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'body'; readonly body: string; readonly status?: number }
  | { readonly kind: 'hang' }
  | { readonly kind: 'disconnect' }

/** How the node answers a request, whatever is asked in it: null means call by call. */
export type RequestFault = (request: {
  readonly calls: readonly Call[]
  readonly isBatch: boolean
}) => RequestAnswer | null

/** A JSON-RPC node that answers from a script, for faults that no real node makes on demand. */
export interface ScriptedNode {
  readonly url: string
  /** The chain that it shows; may be exchanged, as an address may begin to serve another one. */
  chain: ScriptedChain
  /** Which chain a request sees, where a load balancer serves several; null: `chain`. */
  route: ((calls: readonly Call[]) => ScriptedChain) | null
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
  requestFault: RequestFault
  /** Changes the text of what it sends, for what JSON.stringify can't write. */
  rewrite: (body: string) => string
  chainId: number
  /** Times, in ms, at which receipts of this hash were asked for. */
  looks(txHash: string): readonly number[]
  stop(): Promise<void>
}

export interface Call {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

export async function startScriptedNode(given: { chain?: ScriptedChain } = {}): Promise<ScriptedNode> {
  const asked = new Map<string, number[]>()
  const methods = new Map<string, number>()
  const hanging = new Set<ServerResponse>()

  const node: ScriptedNode = {
    url: '',
    chain: given.chain ?? createScriptedChain(),
    route: null,
    fault: () => null,
    requestFault: () => null,
    rewrite: (body) => body,
    get chainId() {
      return node.chain.chainId
    },
    set chainId(chainId) {
      node.chain.chainId = chainId
    },
    headAgeMs: 0,
    lagBlocks: 0,
    include: (txHash, outcome) => void node.chain.include(txHash, outcome),
    exclude: (txHash) => node.chain.exclude(txHash),
    pend: (txHash, sender, nonce) => node.chain.pend(txHash, sender, nonce),
    drop: (txHash) => node.chain.drop(txHash),
    setNonce: (sender, nonce) => node.chain.setNonce(sender, nonce),
    mine: (blocks) => node.chain.mine(blocks),
    fork: (fromBlock) => node.chain.fork(fromBlock),
    head: () => node.chain.head(),
    asked: (method) => methods.get(method) ?? 0,
    looks: (txHash) => asked.get(txHash) ?? [],
    stop: () => closeAtOnce(server),
  }

  function note(calls: readonly Call[]): void {
    for (const { method, params } of calls) {
      methods.set(method, (methods.get(method) ?? 0) + 1)
      if (!method.endsWith('_getTransactionReceipt')) continue
      const txHash = String(params[0])
      asked.set(txHash, [...(asked.get(txHash) ?? []), Date.now()])
    }
  }

  function respond(payload: Call | Call[], response: ServerResponse): void {
    const calls = [payload].flat()
    note(calls)
    const chain = node.route?.(calls) ?? node.chain
    const rightAnswer = ({ method, params }: Call): Answer => {
      try {
        return { kind: 'result', result: chain.answer(method, params, node) }
      } catch (error) {
        if (!(error instanceof UnknownMethod)) throw error
        return { kind: 'error', code: -32_601, message: error.message }
      }
    }
    const answers = calls.map((call) => {
      const fault = node.fault(call.method, call.params)
      if (fault?.kind !== 'altered') return fault ?? rightAnswer(call)
      const right = rightAnswer(call)
      return right.kind === 'result' ? { ...right, result: fault.alter(right.result) } : right
    })
    // What a request meets as a whole, all calls of its batch meet.
    const whole =
      node.requestFault({ calls, isBatch: Array.isArray(payload) }) ??
      answers.find((answer): answer is RequestAnswer => isOfRequest(answer))
    if (whole) respondAsWhole(whole, () => send(calls.map(rightAnswer)), response)
    else send(answers)

    function send(each: readonly Answer[]): void {
      const frames = each.map((answer, index) => frameOf(calls[index], answer))
      response.end(node.rewrite(JSON.stringify(Array.isArray(payload) ? frames : frames[0])))
    }
  }

  function isOfRequest({ kind }: Answer): boolean {
    return kind !== 'result' && kind !== 'error' && kind !== 'altered' && kind !== 'response'
  }

  function frameOf(call: Call | undefined, answer: Answer): unknown {
    if (answer.kind === 'response') return answer.response
    const frame = { jsonrpc: '2.0', id: call?.id }
    if (answer.kind === 'result') return { ...frame, result: answer.result }
    const error = answer.kind === 'error' ? { code: answer.code, message: answer.message } : null
    return { ...frame, error }
  }

  function respondAsWhole(answer: RequestAnswer, sendRight: () => void, response: ServerResponse): void {
    switch (answer.kind) {
      case 'status':
        response.writeHead(answer.status, answer.headers).end('no')
        return
      case 'slow':
        setTimeout(sendRight, answer.delayMs)
        return
      case 'body':
        response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' }).end(answer.body)
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
