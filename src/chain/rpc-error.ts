import { storableText } from '../domain/storable-text.ts'

/** How a call to a node failed. None of these says anything about a transaction. */
export type RpcErrorCode =
  | 'timeout'
  /** No connection could be made: nothing was asked. */
  | 'unreachable'
  /** The connection failed after it was made. */
  | 'network'
  | 'http-status'
  | 'rate-limited'
  | 'too-large'
  /** Not an answer to the question, or not one that can be used. */
  | 'malformed'
  | 'rpc-error'
  | 'wrong-chain'
  /** The database has not noted what the chain's name means, and did not take it. */
  | 'not-bound'
  | 'stale'
  | 'not-canonical'
  /** Not asked: too many calls wait already. */
  | 'busy'
  /** Not asked: the node failed again and again a moment ago. */
  | 'resting'

/** A node may put a whole page or the data of a revert into an error; it is kept with the transaction and logged. */
export const MAX_DETAIL_CHARACTERS = 500

/** A call to a node that brought no result. The message names the node without its path, which may hold a key. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: RpcErrorCode
  readonly node: string
  readonly method: string
  readonly detail: string
  /** How long the node asked to be left alone, in ms; null if it did not say. */
  readonly retryAfterMs: number | null
  /** The HTTP status or the code of the JSON-RPC error; null if there was neither. */
  readonly status: number | null
  constructor(
    code: RpcErrorCode,
    { node, method }: { node: string; method: string },
    detail: string,
    {
      cause,
      retryAfterMs = null,
      status = null,
    }: { cause?: unknown; retryAfterMs?: number | null; status?: number | null } = {},
  ) {
    const kept = storableText(detail, MAX_DETAIL_CHARACTERS)
    super(`${method} at node ${node} failed: ${kept}`, { cause })
    this.code = code
    this.node = node
    this.method = method
    this.detail = kept
    this.retryAfterMs = retryAfterMs
    this.status = status
  }
  /** The same failure as that of one call among those that it took along. */
  ofCall(method: string): RpcError {
    const { code, node, detail, cause, retryAfterMs, status } = this
    return new RpcError(code, { node, method }, detail, { cause, retryAfterMs, status })
  }
}
