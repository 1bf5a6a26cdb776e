import { Agent, request } from 'undici'
import { RpcError } from './rpc-error.ts'

export interface JsonRpcRequest {
  readonly jsonrpc: string
  readonly id: number | string
  readonly method: string
  readonly params: readonly unknown[]
}

export interface RpcTransportOptions {
  readonly url: string
  /** Limit of one call, from the first byte sent to the last one read. */
  readonly timeoutMs: number
  readonly onCall: (call: RpcCall) => void
}

/** One finished call, for metrics. */
export interface RpcCall {
  readonly node: string
  readonly method: string
  readonly error: RpcError | null
}

export interface RpcTransport {
  /** The node's host and port. */
  readonly node: string
  /** Posts one request or a batch; resolves with the parsed body, rejects with RpcError. */
  send(payload: JsonRpcRequest | readonly JsonRpcRequest[]): Promise<unknown>
  close(): Promise<void>
}

/** JSON-RPC over HTTP, with a time limit on each call and the HTTP status honoured. */
export function createRpcTransport({ url, timeoutMs, onCall }: RpcTransportOptions): RpcTransport {
  const { target, authorization } = splitCredentials(url)
  const node = target.host
  const agent = new Agent({ connect: { timeout: timeoutMs } })

  async function post(payload: JsonRpcRequest | readonly JsonRpcRequest[], method: string): Promise<unknown> {
    let statusCode: number
    let text: string
    try {
      const response = await request(target, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...authorization },
        body: JSON.stringify(payload),
        signal: AbortSignal.timeout(timeoutMs),
        dispatcher: agent,
      })
      statusCode = response.statusCode
      text = await response.body.text()
    } catch (error) {
      throw callError(error, node, method, timeoutMs)
    }
    if (statusCode !== 200) throw new RpcError('http-status', node, method, `HTTP status ${statusCode}`)
    const answer = parse(text, node, method)
    if (isErrorAnswer(answer)) {
      throw new RpcError('rpc-error', node, method, `${answer.error.message} (code ${answer.error.code})`)
    }
    return answer
  }

  return {
    node,
    send: async (payload) => {
      const method = methodOf(payload)
      try {
        const answer = await post(payload, method)
        onCall({ node, method, error: null })
        return answer
      } catch (error) {
        onCall({ node, method, error: error as RpcError })
        throw error
      }
    },
    close: () => agent.close(),
  }
}

function parse(text: string, node: string, method: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RpcError('malformed', node, method, 'the answer is not JSON', error)
  }
}

function isErrorAnswer(answer: unknown): answer is { error: { code?: unknown; message?: unknown } } {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    typeof (answer as { error?: unknown }).error === 'object' &&
    (answer as { error?: unknown }).error !== null
  )
}

function methodOf(payload: JsonRpcRequest | readonly JsonRpcRequest[]): string {
  if (!Array.isArray(payload)) return (payload as JsonRpcRequest).method
  return (payload as readonly JsonRpcRequest[])[0]?.method ?? 'batch'
}

function callError(error: unknown, node: string, method: string, timeoutMs: number): RpcError {
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new RpcError('timeout', node, method, `no answer within ${timeoutMs} ms`, error)
  }
  const reason =
    error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error)
  return new RpcError('network', node, method, reason, error)
}

function splitCredentials(url: string): { target: URL; authorization: Record<string, string> } {
  const target = new URL(url)
  if (target.username === '') return { target, authorization: {} }
  const credentials = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`
  target.username = ''
  target.password = ''
  return { target, authorization: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } }
}
