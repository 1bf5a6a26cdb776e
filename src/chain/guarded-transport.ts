import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
} from 'cockatiel'
import { RpcError, type RpcErrorCode } from './rpc-error.ts'
import { BATCH, type JsonRpcPayload, methodOf, type RpcTransport } from './rpc-transport.ts'

export interface GuardOptions {
  /** Most calls to the node at once; further ones wait their turn. */
  readonly maxInFlight: number
  readonly onCall: (call: RpcCall) => void
}

/** One finished call, for metrics. */
export interface RpcCall {
  readonly node: string
  readonly method: string
  readonly error: RpcError | null
}

/** Failures in a row after which a node is left alone for a while. */
const FAILURES_TO_REST = 5
const REST_MS = { initialDelay: 500, maxDelay: 15_000 }
/** Calls that may wait for a place, for each place. */
const WAITING_PER_PLACE = 20

/**
 * Spares a node: bounds the calls in flight, leaves it alone for as long as it asks, and for a growing while
 * after it failed again and again. All of this only pauses asking; what is not asked is an error, never an answer.
 */
export function guardTransport(transport: RpcTransport, { maxInFlight, onCall }: GuardOptions): RpcTransport {
  const places = bulkhead(maxInFlight, maxInFlight * WAITING_PER_PLACE)
  const breaker = circuitBreaker(handleWhen(isNodeFailure), {
    halfOpenAfter: new ExponentialBackoff(REST_MS),
    breaker: new ConsecutiveBreaker(FAILURES_TO_REST),
  })
  let pausedUntilMs = 0

  async function send(payload: JsonRpcPayload): Promise<unknown> {
    const call = { node: transport.node, method: methodOf(payload) }
    try {
      if (Date.now() < pausedUntilMs)
        throw new RpcError('resting', call, 'it asked to be left alone (Retry-After)')
      const answer = await places.execute(() => breaker.execute(() => transport.send(payload)))
      onCall({ ...call, error: null })
      return answer
    } catch (error) {
      const known = toRpcError(error, call)
      if (known.retryAfterMs !== null)
        pausedUntilMs = Math.max(pausedUntilMs, Date.now() + known.retryAfterMs)
      onCall({ ...call, error: known })
      throw known
    }
  }

  return { node: transport.node, send, close: transport.close }
}

/**
 * A JSON-RPC error is an answer: the node works. A batch may be refused in any shape, by a node that answers each of
 * its calls alone.
 */
function isNodeFailure(error: Error): boolean {
  if (!(error instanceof RpcError)) return true
  return error.method === BATCH ? BATCH_FAILURES.has(error.code) : error.code !== 'rpc-error'
}

/** What says of the node, and not of the batch, that it does not serve; a time-out does if it is repeated. */
const BATCH_FAILURES: ReadonlySet<RpcErrorCode> = new Set(['unreachable', 'rate-limited', 'timeout'])

function toRpcError(error: unknown, call: { node: string; method: string }): RpcError {
  if (error instanceof RpcError) return error
  if (error instanceof BrokenCircuitError) {
    return new RpcError('resting', call, 'it failed again and again and is left alone for a while', {
      cause: error,
    })
  }
  if (error instanceof BulkheadRejectedError) {
    return new RpcError('busy', call, 'too many calls wait for it already', { cause: error })
  }
  return new RpcError('network', call, String(error), { cause: error })
}
