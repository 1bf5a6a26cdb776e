/** The API answered with a problem (RFC 9457), or not at all: then the status is 0. */
export class ApiProblem extends Error {
  readonly status: number
  constructor(status: number, detail: string) {
    super(detail)
    this.status = status
  }
}

export interface Api {
  get<T>(path: string, signal?: AbortSignal): Promise<T>
  post<T>(path: string, body?: object): Promise<T>
  patch<T>(path: string, body: object): Promise<T>
  /** The answer as it comes; rejects with an ApiProblem where it is none. */
  open(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response>
}

const UNAUTHORIZED = 401
const TIMEOUT_MS = 20_000

/** @param onUnauthorized a key is needed, or the one that was given is not accepted */
export function createApi(key: string | null, onUnauthorized: () => void): Api {
  async function open(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    if (key !== null) headers.set('authorization', `Bearer ${key}`)
    const response = await fetch(path, { ...init, headers }).catch((error: unknown) => {
      init.signal?.throwIfAborted()
      throw new ApiProblem(0, `confirmd does not answer (${(error as Error).message})`)
    })
    if (response.ok) return response
    if (response.status === UNAUTHORIZED) onUnauthorized()
    throw new ApiProblem(response.status, await detailOf(response))
  }

  async function call<T>(method: string, path: string, body?: object, signal?: AbortSignal): Promise<T> {
    const limit = AbortSignal.timeout(TIMEOUT_MS)
    const response = await open(path, {
      method,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    })
    return (await response.json()) as T
  }

  return {
    get: (path, signal) => call('GET', path, undefined, signal),
    post: (path, body) => call('POST', path, body),
    patch: (path, body) => call('PATCH', path, body),
    open: (path, headers, signal) => open(path, { headers: { ...headers }, signal }),
  }
}

async function detailOf(response: Response): Promise<string> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string }
  return problem.detail ?? `${response.status} ${response.statusText}`
}
