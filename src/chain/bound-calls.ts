import type { ChainIdentity } from './chain-identity.ts'
import { readResponse } from './facts/response.ts'
import { UnusableAnswer } from './facts/unusable-answer.ts'
import { RpcError } from './rpc-error.ts'
import { RPC_METHODS } from './rpc-methods.ts'
import { BATCH, type JsonRpcRequest, type RpcTransport, toRpcError } from './rpc-transport.ts'

/** A call that waits for its result. */
export interface PendingCall {
  readonly method: string
  readonly params: readonly unknown[]
  resolve(result: unknown): void
  reject(error: RpcError): void
}

export interface BoundCallsOptions {
  readonly transport: RpcTransport
  readonly checkIdentity: ChainIdentity
  readonly redact: (text: string) => string
}

/** What became of one request with several calls. */
export type BatchOutcome =
  /** The calls in `again` were not answered, or refused for the size of the batch; all others have their result. */
  | { readonly kind: 'answered'; readonly again: readonly PendingCall[] }
  /** None has a result. */
  | { readonly kind: 'failed'; readonly error: RpcError }

/** What became of calls that were sent singly. Each has its result or its error. */
export interface SingleOutcome {
  /** Why none of the answers counts: the chain was not known to be ours before and after them. */
  readonly identityError: RpcError | null
  /** The calls that got no answer, not even an error of the node. */
  readonly failures: readonly { readonly call: PendingCall; readonly error: RpcError }[]
}

/** Calls to a node of which no answer counts without the chain id that came with it. */
export interface BoundCalls {
  /** In one request that begins with the question for the chain id. */
  sendBatch(calls: readonly PendingCall[]): Promise<BatchOutcome>
  /** In a request each, all at once, between two questions for the chain id. */
  sendSingly(calls: readonly PendingCall[]): Promise<SingleOutcome>
  /** Asks for the chain id alone; rejects with RpcError. */
  checkChain(): Promise<void>
  /** Whether so many questions that cost a node nothing are answered in one request; rejects with RpcError. */
  sendProbe(calls: number): Promise<void>
}

/**
 * How nodes refuse what exceeds their limits: geth and Kaia with -32600 a batch of too many calls, with -32003 the
 * calls after the one whose answer was too much; OpenEthereum with -32010; proxies with HTTP status 413.
 */
const SIZE_REFUSALS: ReadonlySet<number> = new Set([-32_600, -32_003, -32_010, 413])

export function createBoundCalls({ transport, checkIdentity, redact }: BoundCallsOptions): BoundCalls {
  const { node } = transport
  let lastId = 0

  function requestOf({ method, params }: Pick<PendingCall, 'method' | 'params'>): JsonRpcRequest {
    lastId += 1
    return { jsonrpc: '2.0', id: lastId, method, params }
  }

  const identityRequest = () => requestOf({ method: RPC_METHODS.chainId, params: [] })

  /** The result that an answer holds; throws RpcError if it holds none. */
  function resultOf({ id, method }: JsonRpcRequest, answer: unknown): unknown {
    try {
      const response = readResponse({ id }, answer)
      if (response.kind === 'result') return response.result
      throw toRpcError(response, { node, method }, redact)
    } catch (error) {
      throw asRpcError(error, method)
    }
  }

  function asRpcError(error: unknown, method: string): RpcError {
    if (error instanceof RpcError) return error
    if (!(error instanceof UnusableAnswer)) throw error
    return new RpcError('malformed', { node, method }, redact(error.message), { cause: error })
  }

  function readIdentity(request: JsonRpcRequest, answer: unknown): void {
    try {
      checkIdentity(resultOf(request, answer))
    } catch (error) {
      throw asRpcError(error, request.method)
    }
  }

  async function sendBatch(calls: readonly PendingCall[]): Promise<BatchOutcome> {
    const identity = identityRequest()
    const requests = calls.map((call) => ({ call, request: requestOf(call) }))
    let answers: ReadonlyMap<unknown, readonly unknown[]>
    try {
      answers = byId(await transport.send([identity, ...requests.map(({ request }) => request)]))
      readIdentity(identity, onlyOne(answers.get(identity.id)))
    } catch (error) {
      return { kind: 'failed', error: asRpcError(error, BATCH) }
    }
    const again: PendingCall[] = []
    for (const { call, request } of requests) {
      const found = answers.get(request.id)
      try {
        if (found) call.resolve(resultOf(request, onlyOne(found)))
        else again.push(call)
      } catch (error) {
        if (isSizeRefusal(error)) again.push(call)
        else call.reject(asRpcError(error, request.method))
      }
    }
    return { kind: 'answered', again }
  }

  async function checkChain(): Promise<void> {
    const request = identityRequest()
    readIdentity(request, await transport.send(request))
  }

  /** Null: it is on our chain. */
  async function identityProblem(): Promise<RpcError | null> {
    try {
      await checkChain()
      return null
    } catch (error) {
      return asRpcError(error, RPC_METHODS.chainId)
    }
  }

  async function sendSingly(calls: readonly PendingCall[]): Promise<SingleOutcome> {
    const before = await identityProblem()
    if (before) {
      for (const call of calls) call.reject(before.ofCall(call.method))
      return { identityError: before, failures: [] }
    }
    const answered = await Promise.all(calls.map(sendAlone))
    const after = await identityProblem()
    for (const { call, give } of answered) {
      if (after) call.reject(after.ofCall(call.method))
      else give()
    }
    return { identityError: after, failures: answered.flatMap(({ failure }) => failure ?? []) }
  }

  /** What `give` gives counts only if the chain is still ours. */
  async function sendAlone(call: PendingCall) {
    const request = requestOf(call)
    try {
      const result = resultOf(request, await transport.send(request))
      return { call, give: () => call.resolve(result), failure: null }
    } catch (thrown) {
      const error = asRpcError(thrown, call.method)
      const failure = error.code === 'rpc-error' ? null : { call, error }
      return { call, give: () => call.reject(error), failure }
    }
  }

  async function sendProbe(calls: number): Promise<void> {
    const requests = Array.from({ length: calls }, identityRequest)
    try {
      const answers = byId(await transport.send(requests))
      for (const request of requests) resultOf(request, onlyOne(answers.get(request.id)))
    } catch (error) {
      throw asRpcError(error, BATCH)
    }
  }

  return { sendBatch, sendSingly, checkChain, sendProbe }
}

export function isSizeRefusal(error: unknown): boolean {
  return error instanceof RpcError && error.status !== null && SIZE_REFUSALS.has(error.status)
}

/** The answers to a batch, which come in any order. */
function byId(answers: unknown): ReadonlyMap<unknown, readonly unknown[]> {
  if (!Array.isArray(answers)) throw new UnusableAnswer('the answer to a batch is no list')
  const found = new Map<unknown, unknown[]>()
  for (const answer of answers as unknown[]) {
    const id = typeof answer === 'object' && answer !== null ? (answer as { id?: unknown }).id : undefined
    const known = found.get(id)
    if (known) known.push(answer)
    else found.set(id, [answer])
  }
  return found
}

function onlyOne(answers: readonly unknown[] | undefined): unknown {
  if (!answers) throw new UnusableAnswer('it was not answered')
  if (answers.length > 1) throw new UnusableAnswer(`it was answered ${answers.length} times`)
  return answers[0]
}
