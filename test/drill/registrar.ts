import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { type DrillChain, senderOf } from './chain.ts'
import type { Entry } from './ledger.ts'

/** Registers transactions as a backend does: over HTTP, and again until it is told that they are recorded. */
export interface Registrar {
  /** Resolves when every entry is recorded. */
  register(entries: readonly Entry[], options?: RegisterOptions): Promise<void>
  /** One request, not repeated; null if there was no answer. */
  post(entry: Entry): Promise<number | null>
  /** How often each HTTP status was answered; `none` is a request without an answer. */
  answers(): ReadonlyMap<number | 'none', number>
}

export interface RegisterOptions {
  readonly concurrency?: number
  /** Requests begun in a second; as many as there can be if left out. */
  readonly perSecond?: number
}

const RECORDED = [200, 202]
const RETRY_PAUSE_MS = 100
const REQUEST_TIMEOUT_MS = 20_000

export function createRegistrar(
  chain: DrillChain,
  apiUrl: () => Promise<string>,
): Registrar & { close(): Promise<void> } {
  const agent = new Agent({ connections: 64, headersTimeout: REQUEST_TIMEOUT_MS })
  const answers = new Map<number | 'none', number>()

  async function post(entry: Entry): Promise<number | null> {
    let status: number | null = null
    try {
      const { statusCode, body } = await request(`${await apiUrl()}/v1/transactions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(bodyOf(entry)),
        dispatcher: agent,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
      status = statusCode
      await body.dump()
    } catch {
      // No answer, or half of one: the process was killed. What it recorded shows at the next try.
    }
    answers.set(status ?? 'none', (answers.get(status ?? 'none') ?? 0) + 1)
    if (status !== null && RECORDED.includes(status)) entry.recorded = true
    return status
  }

  async function registerOne(entry: Entry): Promise<void> {
    appear(chain, entry)
    for (;;) {
      const status = await post(entry)
      if (entry.recorded) return
      const isRefused = status !== null && status < 500 && status !== 429
      if (isRefused) throw new Error(`the API answered ${status} to ${entry.txHash}`)
      await sleep(RETRY_PAUSE_MS)
    }
  }

  async function register(entries: readonly Entry[], options: RegisterOptions = {}): Promise<void> {
    const { concurrency = 32, perSecond } = options
    const startedAt = Date.now()
    let next = 0
    async function work(): Promise<void> {
      for (let index = next++; index < entries.length; index = next++) {
        const entry = entries[index]
        if (!entry) return
        if (perSecond) await sleep(Math.max(0, startedAt + (index * 1_000) / perSecond - Date.now()))
        await registerOne(entry)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work))
  }

  return { register, post, answers: () => answers, close: () => agent.close() }
}

function bodyOf({ txHash, kind, truth }: Entry): object {
  const body = { txHash, kind, payload: { hash: txHash } }
  // Without the sender it can be learned only while the transaction is seen, which a replaced one may never be.
  const isGiven = truth === 'replaced' || txHash.endsWith('0') || txHash.endsWith('1')
  return isGiven ? { ...body, from: senderOf(txHash), nonce: 0 } : body
}

/** Lets the transaction be included when its time has come, unless a drill has done so or it never is. */
export function appear(chain: DrillChain, entry: Entry): void {
  if (entry.truth && !chain.isPlanned(entry.txHash)) chain.plan(entry.txHash, entry.truth, entry.delayMs)
}
