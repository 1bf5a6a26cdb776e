/** What of `fetch` is used: Node, Bun, Deno, browsers and edge runtimes have it. */
export type FetchLike = (url: string, init: RequestInit) => Promise<Response>

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

interface Call extends CallOptions {
  readonly body?: unknown
  /** What the server was asked to wait. */
  readonly waitMs?: number
}

/** The server answered with a problem (RFC 9457). */
export class ConfirmdError extends Error {
  override readonly name = 'ConfirmdError'
  /** Of HTTP. */
  readonly status: number
  /** The fields that were wrong, where the server names them. */
  readonly errors: readonly { readonly field: string; readonly message: string }[]
  constructor(status: number, detail: string, errors: ConfirmdError['errors'] = []) {
    super(`${status}: ${detail}`)
    this.status = status
    this.errors = errors
  }
}

const TIMEOUT_MS = 10_000
const RETRIES = 3
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
/** Overload, or something between us and the server that could not reach it. */
const WORTH_A_RETRY = [429, 502, 503, 504]

/**
 * Requests that are tried again when there is no answer, or one that says "later". All of them may be: reading
 * changes nothing, and to register the same twice is to register it once.
 */
export function createCalls(options: {
  readonly url: string
  readonly apiKey?: string
  readonly timeoutMs?: number
  readonly retries?: number
  readonly fetch?: FetchLike
}) {
  const { apiKey, timeoutMs = TIMEOUT_MS, retries = RETRIES, fetch = globalThis.fetch } = options
  const base = options.url.replace(/\/+$/, '')

  async function send(method: string, path: string, { body, waitMs = 0, signal }: Call): Promise<Response> {
    const limit = AbortSignal.timeout(timeoutMs + waitMs)
    return fetch(`${base}${path}`, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
  }

  async function answer(method: string, path: string, given: Call): Promise<Response> {
    for (let tries = 0; ; tries++) {
      given.signal?.throwIfAborted()
      const last = tries >= retries
      try {
        const response = await send(method, path, given)
        if (last || !WORTH_A_RETRY.includes(response.status)) return response
        await response.body?.cancel()
        await pause(retryAfterMs(response) ?? backOffMs(tries), given.signal)
      } catch (error) {
        given.signal?.throwIfAborted()
        if (last) throw new Error(`${method} ${base}${path}: no answer`, { cause: error })
        await pause(backOffMs(tries), given.signal)
      }
    }
  }

  async function read<T>(response: Response): Promise<T> {
    if (response.ok) return (await response.json()) as T
    const problem = (await response.json().catch(() => ({}))) as {
      detail?: string
      errors?: ConfirmdError['errors']
    }
    throw new ConfirmdError(response.status, problem.detail ?? response.statusText, problem.errors)
  }

  return {
    call: async <T>(method: string, path: string, given: Call = {}): Promise<T> =>
      read<T>(await answer(method, path, given)),
    /** Null for 404. */
    callOrNull: async <T>(method: string, path: string, given: Call = {}): Promise<T | null> => {
      const response = await answer(method, path, given)
      if (response.status !== 404) return read<T>(response)
      await response.body?.cancel()
      return null
    },
  }
}

function retryAfterMs(response: Response): number | null {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) ? Math.min(seconds * 1_000, LONGEST_PAUSE_MS) : null
}

/** Doubles each time; half of it by chance, so that many callers do not come back together. */
function backOffMs(tries: number): number {
  const most = Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS)
  return most / 2 + (Math.random() * most) / 2
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end)
      resolve()
    }, ms)
    signal?.addEventListener('abort', end, { once: true })
  })
}
