import type { CloudEvent } from '../domain/event.ts'
import type { TransactionDetail, TransactionView } from '../domain/transaction-view.ts'
import { type CallOptions, createCalls, type FetchLike } from './call.ts'

/** What is to be watched. */
export interface TrackRequest {
  /** 0x and 64 hexadecimal digits. */
  readonly txHash: string
  /** What it means to the backend; chooses the business write. */
  readonly kind?: string
  /** Any JSON; given to the business write unchanged. */
  readonly payload?: unknown
  readonly chain?: string
  /** The sender's address and nonce: with them a replacement is noticed. */
  readonly from?: string
  readonly nonce?: number
}

/** What became of one of many. */
export type TrackResult =
  | { readonly status: 200 | 202; readonly transaction: TransactionView }
  | { readonly status: number; readonly problem: { readonly title: string; readonly detail: string } }

export interface ClientOptions {
  /** Where the API is, a path prefix included: `http://127.0.0.1:8080`. */
  readonly url: string
  readonly apiKey?: string
  /** Limit of one request, in ms; what it is told to wait is added. 10,000 if left out. */
  readonly timeoutMs?: number
  /** How often a request is tried again that may be; 3 if left out. */
  readonly retries?: number
  readonly fetch?: FetchLike
}

export interface WaitOptions {
  /** 60,000 if left out. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface EventOptions {
  /** Where to go on: the `sequence` of an event; '0' for the oldest, 'newest' (if left out) for those to come. */
  readonly after?: string
  readonly kind?: string
  readonly status?: string
  /** True to go on where events were pruned, with those that are left; otherwise that is an error with status 410. */
  readonly skipPruned?: boolean
  readonly signal?: AbortSignal
}

export type TransactionEvent = CloudEvent<TransactionView>

export interface ConfirmdClient {
  /** Has a transaction watched. Safe to repeat: the same hash with the same content is the same registration. */
  track(request: TrackRequest, options?: CallOptions): Promise<TransactionView>
  /** Up to 1,000, each with a result of its own, in their order. */
  trackMany(requests: readonly TrackRequest[], options?: CallOptions): Promise<readonly TrackResult[]>
  /**
   * By its id, or by its hash; null if there is none. A hash that several kinds have registered rejects with a
   * ConfirmdError of status 300: ask with the id that `track` returned.
   */
  get(id: string, options?: CallOptions): Promise<TransactionDetail | null>
  /**
   * Resolves with the transaction as soon as it is not pending any more: look at its `status`. It may be `stalled`,
   * which is no verdict yet. Rejects with WaitTimeoutError after the time, and with the signal's reason.
   */
  waitFor(id: string, options?: WaitOptions): Promise<TransactionDetail>
  /** Outcomes in order, without end and without gap, until the signal aborts or the loop is left. */
  events(options?: EventOptions): AsyncIterableIterator<TransactionEvent>
}

/** The transaction is still pending. Nothing is lost: ask again. */
export class WaitTimeoutError extends Error {
  override readonly name = 'WaitTimeoutError'
  readonly id: string
  constructor(id: string, timeoutMs: number) {
    super(`transaction ${id} is still pending after ${timeoutMs} ms`)
    this.id = id
  }
}

const WAIT_TIMEOUT_MS = 60_000
/** Of one request; what is between us and the server may end one that is silent for long. */
const LONGEST_WAIT_S = 20

export function createClient(options: ClientOptions): ConfirmdClient {
  const { call, callOrNull } = createCalls(options)
  const pathOf = (id: string) => `/v1/transactions/${encodeURIComponent(id)}`

  async function waitFor(id: string, { timeoutMs = WAIT_TIMEOUT_MS, signal }: WaitOptions = {}) {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const leftMs = Math.max(0, deadline - Date.now())
      const waitS = Math.min(LONGEST_WAIT_S, Math.ceil(leftMs / 1_000))
      const found = await call<TransactionDetail>('GET', `${pathOf(id)}?wait=${waitS}`, {
        waitMs: waitS * 1_000,
        signal,
      })
      if (found.status !== 'pending') return found
      if (Date.now() >= deadline) throw new WaitTimeoutError(id, timeoutMs)
    }
  }

  async function* events({ after = 'newest', kind, status, skipPruned, signal }: EventOptions = {}) {
    let cursor = after
    for (;;) {
      const query = new URLSearchParams({ after: cursor, wait: String(LONGEST_WAIT_S) })
      if (kind !== undefined) query.set('kind', kind)
      if (status !== undefined) query.set('status', status)
      if (skipPruned) query.set('skipPruned', 'true')
      const page = await call<{ events: TransactionEvent[]; next: string }>('GET', `/v1/events?${query}`, {
        waitMs: LONGEST_WAIT_S * 1_000,
        signal,
      })
      yield* page.events
      cursor = page.next
    }
  }

  return {
    track: (request, given) => call('POST', '/v1/transactions', { ...given, body: request }),
    trackMany: async (transactions, given) => {
      const body = { transactions }
      const answer = await call<{ results: TrackResult[] }>('POST', '/v1/transactions/batch', {
        ...given,
        body,
      })
      return answer.results
    },
    get: (id, given) => callOrNull('GET', pathOf(id), given),
    waitFor,
    events,
  }
}
