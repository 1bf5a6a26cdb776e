import { Agent, type Dispatcher, request } from 'undici'
import { readRetryAfter } from '../domain/retry-after.ts'
import { RpcError } from './rpc-error.ts'

export interface JsonRpcRequest {
  readonly jsonrpc: string
  readonly id: number | string
  readonly method: string
  readonly params: readonly unknown[]
}

/** One request, or a batch. */
export type JsonRpcPayload = JsonRpcRequest | readonly JsonRpcRequest[]

export interface RpcTransportOptions {
  readonly url: string
  /** Limit of one call, from the first byte sent to the last one read. */
  readonly timeoutMs: number
  readonly maxAnswerBytes: number
}

export interface RpcTransport {
  /** The node's host and port; what else its URL holds may be a secret. */
  readonly node: string
  /** Posts one request or a batch; resolves with the parsed body, rejects with RpcError. */
  send(payload: JsonRpcPayload): Promise<unknown>
  close(): Promise<void>
}

/** What a Retry-After may ask for at most. */
const MAX_RETRY_AFTER_MS = 300_000

/** JSON-RPC over HTTP: a limit on the time and size of each call, and the HTTP status honoured. */
export function createRpcTransport({ url, timeoutMs, maxAnswerBytes }: RpcTransportOptions): RpcTransport {
  const { target, authorization } = splitCredentials(url)
  const node = target.host
  const agent = new Agent({ connect: { timeout: timeoutMs } })

  async function send(payload: JsonRpcPayload): Promise<unknown> {
    const call = { node, method: methodOf(payload) }
    const { statusCode, headers, text } = await post(payload, call)
    if (statusCode === 429 || statusCode === 503) {
      const retryAfterMs = readRetryAfter(headers['retry-after'], new Date(), MAX_RETRY_AFTER_MS)
      throw new RpcError('rate-limited', call, `HTTP status ${statusCode}`, { retryAfterMs })
    }
    if (statusCode !== 200) {
      throw new RpcError('http-status', call, `HTTP status ${statusCode}`, { status: statusCode })
    }
    const answer = parse(text, call)
    const error = errorAnswerOf(answer)
    if (error) throw toRpcError(error, call)
    return answer
  }

  async function post(payload: JsonRpcPayload, call: { node: string; method: string }) {
    try {
      const { statusCode, headers, body } = await request(target, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...authorization },
        body: JSON.stringify(payload),
        signal: AbortSignal.timeout(timeoutMs),
        dispatcher: agent,
      })
      return { statusCode, headers, text: await readLimited(body, call) }
    } catch (error) {
      throw error instanceof RpcError ? error : callError(error, call)
    }
  }

  async function readLimited(
    body: Dispatcher.ResponseData['body'],
    call: { node: string; method: string },
  ): Promise<string> {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of body) {
      bytes += (chunk as Buffer).length
      // Leaving the loop early destroys the body, and with it the connection.
      if (bytes > maxAnswerBytes) {
        throw new RpcError('too-large', call, `the answer is larger than ${maxAnswerBytes} bytes`)
      }
      chunks.push(chunk as Buffer)
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  function callError(error: unknown, call: { node: string; method: string }): RpcError {
    if (error instanceof Error && error.name === 'TimeoutError') {
      return new RpcError('timeout', call, `no answer within ${timeoutMs} ms`, { cause: error })
    }
    const reason =
      error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error)
    return new RpcError('network', call, reason, { cause: error })
  }

  return { node, send, close: () => agent.destroy() }
}

export function methodOf(payload: JsonRpcPayload): string {
  return Array.isArray(payload) ? 'batch' : (payload as JsonRpcRequest).method
}

function parse(text: string, call: { node: string; method: string }): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RpcError('malformed', call, 'the answer is not JSON', { cause: error })
  }
}

interface ErrorAnswer {
  readonly code?: unknown
  readonly message?: unknown
}

/** The error of a JSON-RPC answer; null if it is none. */
export function errorAnswerOf(answer: unknown): ErrorAnswer | null {
  if (typeof answer !== 'object' || answer === null) return null
  const { error } = answer as { error?: unknown }
  return typeof error === 'object' ? error : null
}

export function toRpcError({ code, message }: ErrorAnswer, call: { node: string; method: string }): RpcError {
  const status = typeof code === 'number' ? code : null
  return new RpcError('rpc-error', call, `${String(message)} (code ${String(code)})`, { status })
}

function splitCredentials(url: string): { target: URL; authorization: Record<string, string> } {
  const target = new URL(url)
  if (target.username === '') return { target, authorization: {} }
  const credentials = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`
  target.username = ''
  target.password = ''
  return { target, authorization: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } }
}
