import type { BatchFailure, BatchSize } from './batch-size.ts'
import type { ChainIdentity } from './chain-identity.ts'
import { readResponse } from './facts/response.ts'
import { UnusableAnswer } from './facts/unusable-answer.ts'
import { RpcError, type RpcErrorCode } from './rpc-error.ts'
import { RPC_METHODS } from './rpc-methods.ts'
import { BATCH, type JsonRpcRequest, type RpcTransport, toRpcError } from './rpc-transport.ts'

/** A call that waits for its result. */
export interface PendingCall {
  readonly method: string
  readonly params: readonly unknown[]
  resolve(result: unknown): void
  reject(error: RpcError): void
}

export interface BatchRunOptions {
  readonly transport: RpcTransport
  readonly size: BatchSize
  readonly checkIdentity: ChainIdentity
  readonly redact: (text: string) => string
  /** Told of a call that fails alone at a node that answers others: it must not take others along again. */
  readonly onFailsAlone: (call: PendingCall) => void
}

/** Calls that are in flight together at a node that takes no batches. */
export const MAX_SINGLE_CALLS = 8
/** Single calls in a row that fail before the node counts as down and the rest is not asked. */
const SINGLE_FAILURES_OF_A_NODE_DOWN = 2
/** How often a size that failed is tried again, with calls that cost a node nothing, before it counts as refused. */
const PROBES = 3

/**
 * How nodes refuse what exceeds their limits: geth and Kaia with -32600 a batch of too many calls, with -32003 the
 * calls after the one whose answer was too much; OpenEthereum with -32010; proxies with HTTP status 413.
 */
const SIZE_REFUSALS: ReadonlySet<number> = new Set([-32_600, -32_003, -32_010, 413])

/** Failures that a smaller batch would meet as well. */
const NEVER_HALVED: ReadonlySet<RpcErrorCode> = new Set([
  'unreachable',
  'rate-limited',
  'resting',
  'busy',
  'wrong-chain',
])

/** What became of one request with several calls. */
type BatchOutcome =
  /** The calls in `again` were not answered, or refused for the size of the batch; all others have their result. */
  | { readonly kind: 'answered'; readonly again: readonly PendingCall[] }
  | { readonly kind: 'failed'; readonly error: RpcError }

type SingleOutcome =
  | { readonly kind: 'answered' }
  | { readonly kind: 'failed'; readonly call: PendingCall; readonly error: RpcError }

/** Calls that are still to be asked. */
interface Part {
  readonly calls: readonly PendingCall[]
  /** Even the two calls of a batch of one failed. */
  readonly isSingle?: boolean
}

interface FailedBatch {
  readonly calls: number
  readonly error: RpcError
}

export interface BatchRun {
  /** Sends the calls; each has its result or its error when this resolves, most of them sooner. */
  run(calls: readonly PendingCall[]): Promise<void>
  /** Asks for the chain id alone; rejects with RpcError. */
  checkChain(): Promise<void>
}

/**
 * Sends calls to a node so that no answer counts without the chain id that came with it: every batch begins with the
 * question for it; where a node takes no batches it is asked before and after the calls that are in flight together.
 * A batch that fails as a whole, for whatever reason, is sent again in halves, the first half first, down to single
 * calls; the size that works is remembered.
 */
export function createBatchRun(options: BatchRunOptions): BatchRun {
  const { transport, size, checkIdentity, redact, onFailsAlone } = options
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

  async function askIdentity(): Promise<void> {
    const request = identityRequest()
    readIdentity(request, await transport.send(request))
  }

  /** Null: it is on our chain. */
  async function identityProblem(): Promise<RpcError | null> {
    try {
      await askIdentity()
      return null
    } catch (error) {
      return asRpcError(error, RPC_METHODS.chainId)
    }
  }

  /** The answers are given out only if the chain was ours before and after them. */
  async function sendSingly(calls: readonly PendingCall[]): Promise<{
    readonly identityError: RpcError | null
    readonly outcomes: readonly SingleOutcome[]
  }> {
    const before = await identityProblem()
    if (before) {
      for (const call of calls) call.reject(before.ofCall(call.method))
      return { identityError: before, outcomes: [] }
    }
    const answered = await Promise.all(
      calls.map(async (call) => {
        const request = requestOf(call)
        try {
          const result = resultOf(request, await transport.send(request))
          return { call, give: () => call.resolve(result), outcome: { kind: 'answered' } as const }
        } catch (error) {
          const failure = asRpcError(error, call.method)
          const isAnswer = failure.code === 'rpc-error'
          const outcome = isAnswer
            ? ({ kind: 'answered' } as const)
            : ({ kind: 'failed', call, error: failure } as const)
          return { call, give: () => call.reject(failure), outcome }
        }
      }),
    )
    const after = await identityProblem()
    for (const { call, give } of answered) {
      if (after) call.reject(after.ofCall(call.method))
      else give()
    }
    return { identityError: after, outcomes: answered.map(({ outcome }) => outcome) }
  }

  /** Whether the node refuses a batch of this size whatever it asks. */
  async function isSizeRefused(calls: number): Promise<boolean> {
    for (let probe = 0; probe < PROBES; probe++) {
      const requests = Array.from({ length: calls }, identityRequest)
      try {
        const answers = byId(await transport.send(requests))
        for (const request of requests) resultOf(request, onlyOne(answers.get(request.id)))
        return false
      } catch (error) {
        if (NEVER_HALVED.has(asRpcError(error, BATCH).code)) return false
      }
    }
    return true
  }

  async function causeOf({ calls, error }: FailedBatch): Promise<BatchFailure> {
    if (error.code === 'too-large' || isSizeRefusal(error)) return 'size'
    if (error.code === 'timeout') return 'timeout'
    return !size.isProven(calls) && (await isSizeRefused(calls)) ? 'size' : 'unknown'
  }

  /** Remembers what the smallest batch that failed says; one no larger than what was answered failed by chance. */
  async function learn(failed: readonly FailedBatch[], fits: number): Promise<void> {
    const [smallest] = failed
      .filter(({ calls }) => calls > fits)
      .sort((one, other) => one.calls - other.calls)
    if (smallest) size.failed(smallest.calls, await causeOf(smallest), fits)
  }

  async function run(all: readonly PendingCall[]): Promise<void> {
    const parts: Part[] = [{ calls: all }]
    const failed: FailedBatch[] = []
    /** The largest batch that was answered after one failed. */
    let fits: number | null = null
    let singleFailures = 0
    let someFailedAlone = false

    for (let part = parts.shift(); part; part = parts.shift()) {
      const { calls } = part
      const most = Math.min(size.current(), fits ?? size.current())
      if (part.isSingle || most < 2) {
        const group = calls.slice(0, MAX_SINGLE_CALLS)
        if (group.length < calls.length) parts.unshift({ ...part, calls: calls.slice(group.length) })
        const { identityError, outcomes } = await sendSingly(group)
        const failures = outcomes.filter((outcome) => outcome.kind === 'failed')
        const stop = [identityError, ...failures.map(({ error }) => error)].find(
          (error) => error && NEVER_HALVED.has(error.code),
        )
        if (stop) return leave(parts, stop, failed)
        singleFailures = identityError ? singleFailures + failures.length + 1 : 0
        if (identityError) {
          const isDown =
            identityError.code === 'rpc-error' || singleFailures >= SINGLE_FAILURES_OF_A_NODE_DOWN
          if (isDown) return leave(parts, identityError, [])
          continue
        }
        for (const { call } of failures) onFailsAlone(call)
        if (failures.length > 0) {
          someFailedAlone = true
          // It was that call, and not the size: what is left is tried together again.
          fits = null
        } else if (failed.length > 0) fits ??= 1
        else size.succeeded(1)
      } else if (calls.length + 1 > most) {
        parts.unshift({ calls: calls.slice(0, most - 1) }, { calls: calls.slice(most - 1) })
      } else {
        const outcome = await sendBatch(calls)
        const again = outcome.kind === 'failed' ? calls : outcome.again
        if (outcome.kind === 'failed') {
          const { error } = outcome
          if (NEVER_HALVED.has(error.code)) {
            for (const call of calls) call.reject(error.ofCall(call.method))
            return leave(parts, error, failed)
          }
          failed.push({ calls: calls.length + 1, error })
        } else if (again.length > 0) {
          failed.push({ calls: calls.length + 1, error: refusedFor(calls.length + 1) })
        } else {
          size.succeeded(calls.length + 1)
          if (failed.length > 0) fits = Math.max(fits ?? 0, calls.length + 1)
        }
        parts.unshift(...halvesOf(again, calls.length === 1))
      }
    }
    if (fits !== null && !someFailedAlone) await learn(failed, fits)
  }

  /** The rest is not asked. */
  function leave(parts: readonly Part[], error: RpcError, failed: readonly FailedBatch[]): void {
    for (const call of parts.flatMap(({ calls }) => calls)) call.reject(error.ofCall(call.method))
    if (failed.length > 0) size.shrink(Math.min(...failed.map(({ calls }) => calls)))
  }

  function refusedFor(calls: number): RpcError {
    return new RpcError('too-large', { node, method: BATCH }, `it did not answer all of ${calls} calls`)
  }

  return { run, checkChain: askIdentity }
}

function halvesOf(calls: readonly PendingCall[], wasAlone: boolean): Part[] {
  if (calls.length === 0) return []
  if (calls.length === 1) return [{ calls, isSingle: wasAlone }]
  const middle = Math.ceil(calls.length / 2)
  return [{ calls: calls.slice(0, middle) }, { calls: calls.slice(middle) }]
}

function isSizeRefusal(error: unknown): boolean {
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
