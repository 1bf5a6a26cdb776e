/** How a call to a node failed. None of these says anything about a transaction. */
export type RpcErrorCode =
  | 'timeout'
  | 'network'
  | 'http-status'
  | 'rate-limited'
  | 'too-large'
  | 'malformed'
  | 'rpc-error'
  | 'wrong-chain'
  | 'stale'
  | 'not-canonical'
  /** Not asked: too many calls wait already. */
  | 'busy'
  /** Not asked: the node failed again and again a moment ago. */
  | 'resting'

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
    super(`${method} at node ${node} failed: ${detail}`, { cause })
    this.code = code
    this.node = node
    this.method = method
    this.detail = detail
    this.retryAfterMs = retryAfterMs
    this.status = status
  }
  /** The same failure as that of one call among those that it took along. */
  ofCall(method: string): RpcError {
    const { code, node, detail, cause, retryAfterMs, status } = this
    return new RpcError(code, { node, method }, detail, { cause, retryAfterMs, status })
  }
}
