/** How a call to a node failed. None of these says anything about a transaction. */
export type RpcErrorCode = 'timeout' | 'network' | 'http-status' | 'malformed' | 'rpc-error' | 'wrong-chain'

/** A call to a node that brought no result. The message names the node without its path, which may hold a key. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: RpcErrorCode
  readonly node: string
  readonly method: string
  constructor(code: RpcErrorCode, node: string, method: string, detail: string, cause?: unknown) {
    super(`${method} at node ${node} failed: ${detail}`, { cause })
    this.code = code
    this.node = node
    this.method = method
  }
}
