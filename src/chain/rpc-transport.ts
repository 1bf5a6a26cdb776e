import { Agent, type Dispatcher, request } from 'undici'
import { readRetryAfter } from '../domain/retry-after.ts'
import { shown } from './facts/fields.ts'
import { errorOf } from './facts/response.ts'
import { RpcError } from './rpc-error.ts'

export interface JsonRpcRequest {
  readonly jsonrpc: '2.0'
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

/** One request, or a batch. */
export type JsonRpcPayload = JsonRpcRequest | readonly JsonRpcRequest[]

export interface RpcTransportOptions {
  /** The node's name in errors and metrics. */
  readonly name: string
  readonly url: string
  /** Limit of one call, from the first byte sent to the last one read. */
  readonly timeoutMs: number
  readonly maxAnswerBytes: number
  /** Takes secrets out of what a node said: some repeat the key of the URL they were asked under. */
  readonly redact: (text: string) => string
}

export interface RpcTransport {
  /** The node's name. */
  readonly node: string
  /** Posts one request or a batch; resolves with the parsed body, which is no error object, rejects with RpcError. */
  send(payload: JsonRpcPayload): Promise<unknown>
  close(): Promise<void>
}

/** Codes of Node and undici for a connection that could not be made. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])
/** What a Retry-After may ask for at most. */
const MAX_RETRY_AFTER_MS = 300_000

/** JSON-RPC over HTTP: a limit on the time and size of each call, and the HTTP status honoured. */
export function createRpcTransport({
  name: node,
  url,
  timeoutMs,
  maxAnswerBytes,
  redact,
}: RpcTransportOptions): RpcTransport {
  const { target, authorization } = splitCredentials(url)
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
    const error = errorOf(answer)
    if (error) throw toRpcError(error, call, redact)
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
    return new RpcError(UNREACHABLE.has(reason) ? 'unreachable' : 'network', call, reason, { cause: error })
  }

  return { node, send, close: () => agent.destroy() }
}

/** What stands for the method of a batch, in errors and metrics. */
export const BATCH = 'batch'

export function methodOf(payload: JsonRpcPayload): string {
  return Array.isArray(payload) ? BATCH : (payload as JsonRpcRequest).method
}

function parse(text: string, call: { node: string; method: string }): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RpcError('malformed', call, 'the answer is not JSON', { cause: error })
  }
}

/** Text beyond it would be cut anyway, and need not be searched for secrets. */
const MAX_SEARCHED_CHARACTERS = 10_000

/** A node's error as ours. Secrets are taken out before the text is cut: of half a secret nobody could tell. */
export function toRpcError(
  { code, message }: { readonly code: unknown; readonly message: unknown },
  call: { node: string; method: string },
  redact: (text: string) => string,
): RpcError {
  const status = typeof code === 'number' ? code : null
  const text = typeof message === 'string' ? message.slice(0, MAX_SEARCHED_CHARACTERS) : shown(message)
  return new RpcError('rpc-error', call, `${redact(text)} (code ${shown(code)})`, { status })
}

function splitCredentials(url: string): { target: URL; authorization: Record<string, string> } {
  const target = new URL(url)
  if (target.username === '') return { target, authorization: {} }
  const credentials = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`
  target.username = ''
  target.password = ''
  return { target, authorization: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } }
}
