import { createBatch, fulfilled, rejected } from '../domain/batch.ts'
import { RpcError } from './rpc-error.ts'
import { errorAnswerOf, type JsonRpcRequest, type RpcTransport, toRpcError } from './rpc-transport.ts'

export interface BatchingOptions {
  /** Most calls in one request, at first; fewer where the node says that it takes fewer. */
  readonly maxCalls: number
  /** Most requests at once. */
  readonly maxInFlight: number
}

/** A transport for single calls. */
export interface CallTransport extends Omit<RpcTransport, 'send'> {
  send(call: JsonRpcRequest): Promise<unknown>
}

/**
 * How nodes refuse what exceeds their limits: geth and Kaia with -32600 a batch of too many calls, with -32003 the
 * calls after the one whose answer was too much; proxies with HTTP status 413.
 */
const REFUSALS = [-32_600, -32_003, 413]
/** A burst of looks is a few requests, and not one for each; a node that hangs keeps nobody for long. */
const PATIENCE = { runs: 1, ms: 20 }
/** What a look asks for each transaction. What the follower asks is few, and must not wait behind them. */
const LOOK_METHODS = ['klay_getTransactionReceipt', 'klay_getTransactionByHash']
/** A limit that a node showed is kept to for so long; behind a load balancer the next one may have none. */
const LIMIT_KEPT_MS = 600_000

/**
 * Sends calls that are made together as one JSON-RPC batch. Where a node answers only part of one, or says that
 * it is too large, the rest is sent again in smaller batches, which are kept to from then on.
 */
export function batchTransport(
  transport: RpcTransport,
  { maxCalls, maxInFlight }: BatchingOptions,
): CallTransport {
  let learned = { limit: maxCalls, untilMs: 0 }
  let lastId = 0

  function limit(): number {
    return Date.now() < learned.untilMs ? learned.limit : maxCalls
  }

  async function run(calls: readonly JsonRpcRequest[]): Promise<PromiseSettledResult<unknown>[]> {
    const [first, ...more] = calls
    if (first && more.length === 0) return [fulfilled(await askAlone(first))]
    // The ids are ours: within a batch they must differ, whoever made the calls.
    const numbered = calls.map((call) => ({ ...call, id: ++lastId }))
    let answers: ReadonlyMap<unknown, unknown>
    try {
      answers = await ask(numbered)
    } catch (error) {
      return calls.map(({ method }) => rejected(error instanceof RpcError ? error.ofCall(method) : error))
    }
    const refused = numbered.filter(({ id }) => isRefused(answers.get(id)))
    if (refused.length > 0) learn(Math.floor(numbered.length / 2))
    const later = await inParts(refused)
    return numbered.map((call, index) => {
      return later.get(call.id) ?? outcomeOf(answers.get(call.id), call, calls[index]?.id ?? call.id)
    })
  }

  function learn(fits: number): void {
    learned = { limit: Math.max(1, Math.min(limit(), fits)), untilMs: Date.now() + LIMIT_KEPT_MS }
  }

  /** As if it had been called alone. */
  function outcomeOf(
    answer: unknown,
    { method }: JsonRpcRequest,
    id: JsonRpcRequest['id'],
  ): PromiseSettledResult<unknown> {
    const error = errorAnswerOf(answer)
    if (error) return rejected(toRpcError(error, { node: transport.node, method }))
    return fulfilled({ ...(answer as object), id })
  }

  async function askAlone(call: JsonRpcRequest): Promise<unknown> {
    const answer = await transport.send(call)
    if (!Array.isArray(answer)) return answer
    const { method } = call
    throw new RpcError('malformed', { node: transport.node, method }, 'the answer to one call is an array')
  }

  /** The answers by id; none if the whole batch was refused. */
  async function ask(calls: readonly JsonRpcRequest[]): Promise<ReadonlyMap<unknown, unknown>> {
    try {
      const answers = await transport.send(calls)
      if (Array.isArray(answers)) return new Map(answers.map((answer) => [idOf(answer), answer]))
      const call = { node: transport.node, method: 'batch' }
      throw new RpcError('malformed', call, 'the answer to a batch is not an array')
    } catch (error) {
      if (!(error instanceof RpcError) || !isOfSize(error)) throw error
      return new Map()
    }
  }

  async function inParts(
    calls: readonly JsonRpcRequest[],
  ): Promise<Map<JsonRpcRequest['id'], PromiseSettledResult<unknown>>> {
    const outcomes = new Map<JsonRpcRequest['id'], PromiseSettledResult<unknown>>()
    const size = limit()
    for (let from = 0; from < calls.length; from += size) {
      const part = calls.slice(from, from + size)
      const ofPart = await run(part).catch((error) => part.map(() => rejected(error)))
      for (const [index, { id }] of part.entries()) outcomes.set(id, ofPart[index] ?? rejected(undefined))
    }
    return outcomes
  }

  const batch = { run, maxItems: limit, maxRunning: maxInFlight }
  const sendLook = createBatch({ ...batch, patience: PATIENCE })
  const sendOther = createBatch(batch)
  return {
    node: transport.node,
    send: (call) => (LOOK_METHODS.includes(call.method) ? sendLook(call) : sendOther(call)),
    close: transport.close,
  }
}

/** Not answered at all, or refused for the size of the batch. */
function isRefused(answer: unknown): boolean {
  if (answer === undefined) return true
  const error = errorAnswerOf(answer)
  return error !== null && REFUSALS.includes(Number(error.code))
}

function isOfSize({ code, status }: RpcError): boolean {
  return code === 'too-large' || (status !== null && REFUSALS.includes(status))
}

function idOf(answer: unknown): unknown {
  return typeof answer === 'object' && answer !== null ? (answer as { id?: unknown }).id : undefined
}
