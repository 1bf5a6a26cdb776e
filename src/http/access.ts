import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isLoopbackAddress, isLoopbackHost } from '../domain/loopback.ts'
import { type ApiKeyEntry, findApiKey } from './api-key.ts'
import { ProblemError } from './problem.ts'

/** Why a request was turned away before it reached its route, for metrics. */
export type Refusal = 'unauthenticated' | 'not-loopback' | 'rate-limited' | 'overloaded'

export interface AccessOptions {
  /** Empty: only loopback is served. */
  readonly apiKeys: readonly ApiKeyEntry[]
  /** Of one key or, without keys, of one address. 0: no limit. */
  readonly rateLimitPerMinute: number
  /** Of one address. */
  readonly authFailureLimitPerMinute: number
  readonly onRefused: (refusal: Refusal) => void
}

const MINUTE_MS = 60_000
const BEARER = /^Bearer +(\S+) *$/i
const CHALLENGE = 'Bearer realm="confirmd"'
const FORWARDED_HEADERS = ['forwarded', 'x-forwarded-for', 'x-real-ip'] as const

/** Guards all routes of this scope: by keys or, without any, by the address. */
export async function addAccess(scope: FastifyInstance, options: AccessOptions): Promise<void> {
  const { apiKeys, rateLimitPerMinute, authFailureLimitPerMinute, onRefused } = options
  const callers = new WeakMap<FastifyRequest, string>()
  await scope.register(rateLimit, { global: false })
  const countRequest = scope.createRateLimit({
    max: rateLimitPerMinute,
    timeWindow: MINUTE_MS,
    ...(apiKeys.length > 0 ? { keyGenerator: (request) => callers.get(request) ?? '' } : {}),
  })
  const countFailure = scope.createRateLimit({ max: authFailureLimitPerMinute, timeWindow: MINUTE_MS })

  function refuse(
    refusal: Refusal,
    status: number,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ): ProblemError {
    onRefused(refusal)
    return new ProblemError(status, detail, [], headers)
  }

  async function limitBy(count: typeof countRequest, request: FastifyRequest, what: string): Promise<void> {
    const counted = await count(request)
    if (counted.isAllowed || !counted.isExceeded) return
    const seconds = String(Math.max(1, counted.ttlInSeconds))
    throw refuse('rate-limited', 429, `${what}; try again in ${seconds} s`, { 'retry-after': seconds })
  }

  // A valid key passes however many wrong ones came from its address: nobody can lock out a neighbour.
  async function authenticate(request: FastifyRequest): Promise<void> {
    const [, presented] = BEARER.exec(request.headers.authorization ?? '') ?? []
    const entry = presented === undefined ? null : findApiKey(apiKeys, presented)
    if (entry) {
      callers.set(request, entry.name)
      return
    }
    await limitBy(countFailure, request, 'too many requests without a valid key from this address')
    throw presented === undefined
      ? refuse('unauthenticated', 401, "a key is needed: 'Authorization: Bearer <key>'", {
          'www-authenticate': CHALLENGE,
        })
      : refuse('unauthenticated', 401, 'the key is not one of those that are accepted here', {
          'www-authenticate': `${CHALLENGE}, error="invalid_token"`,
        })
  }

  scope.addHook('onRequest', async (request) => {
    if (apiKeys.length > 0) await authenticate(request)
    else if (!isFromHere(request)) {
      const detail = 'without API_KEYS only this machine is served, directly and under a name of its own'
      throw refuse('not-loopback', 403, `${detail}; set API_KEYS, see 'confirmd key create'`)
    }
    if (rateLimitPerMinute > 0) {
      const whose = apiKeys.length > 0 ? 'with this key' : 'from this address'
      await limitBy(countRequest, request, `more than ${rateLimitPerMinute} requests a minute ${whose}`)
    }
  })
}

/**
 * Only the socket's address counts, and what headers say only against the caller: a proxy on this machine
 * passes on requests from anywhere, and a web page can make a browser ask 127.0.0.1 under the page's own name.
 */
function isFromHere(request: FastifyRequest): boolean {
  if (!isLoopbackAddress(request.socket.remoteAddress)) return false
  if (FORWARDED_HEADERS.some((name) => request.headers[name] !== undefined)) return false
  return isLoopbackHost(request.hostname)
}
