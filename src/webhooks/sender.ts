import { lookup as lookupByName } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { Agent, request } from 'undici'
import { readRetryAfter } from '../domain/retry-after.ts'
import type { AttemptOutcome } from '../domain/webhook.ts'
import { addressProblem, type TargetRules, targetProblem } from '../domain/webhook-target.ts'

/** One request to a webhook. */
export interface WebhookRequest {
  readonly url: string
  /** The event's id, the same in each attempt. */
  readonly id: string
  readonly body: string
  /** Each gives a signature. */
  readonly secrets: readonly string[]
  /** The time of the attempt; it is signed too. */
  readonly now: Date
  readonly traceParent: string | null
}

export interface WebhookSender {
  /** Never rejects: what went wrong is in the outcome. */
  send(request: WebhookRequest): Promise<AttemptOutcome>
  close(): Promise<void>
}

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly { address: string; family: number }[]>

export interface WebhookSenderOptions extends TargetRules {
  /** Limit of one attempt, from the first byte sent to the answer's headers. */
  readonly timeoutMs: number
  readonly userAgent: string
  readonly resolve?: Resolve
}

const MAX_RETRY_AFTER_MS = 24 * 3_600_000

/** The target must not be asked. Its text is for the delivery log. */
class ForbiddenTargetError extends Error {
  override readonly name = 'ForbiddenTargetError'
}

/** Sends by Standard Webhooks 1.0, to public addresses only. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { timeoutMs, userAgent, resolve = resolveByName } = options

  /**
   * The socket connects to what this answers, so the address that is checked is the one that is asked. One that is
   * forbidden among several refuses all: a name that has both is no mistake.
   */
  const lookup: LookupFunction = (hostname, { all }, callback) => {
    resolve(hostname)
      .then((addresses) => {
        for (const { address } of addresses) refuse(addressProblem(address, options))
        const [first] = addresses
        if (!first) throw new Error(`${hostname} has no address`)
        if (all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      })
      .catch((error: Error) => callback(error, '', 0))
  }
  const agent = new Agent({ connect: { lookup, timeout: timeoutMs }, maxHeaderSize: 16_384 })

  return {
    send: async ({ url, id, body, secrets, now, traceParent }) => {
      try {
        // Of a literal address, too: a socket to one asks no lookup.
        refuse(targetProblem(url, options))
        const answer = await request(url, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': userAgent,
            ...(traceParent === null ? {} : { traceparent: traceParent }),
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
            'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, now, body)).join(' '),
          },
          body,
          signal: AbortSignal.timeout(timeoutMs),
          dispatcher: agent,
          // Each attempt connects anew, and so is checked anew.
          reset: true,
        })
        // What the answer says is nobody's business here, and may be without end.
        answer.body.on('error', () => undefined).destroy()
        const { statusCode, headers } = answer
        const success = statusCode >= 200 && statusCode < 300
        return {
          statusCode,
          retryAfterMs: readRetryAfter(headers['retry-after'], now, MAX_RETRY_AFTER_MS),
          error: success ? null : failureOf(statusCode),
        }
      } catch (error) {
        return { statusCode: null, retryAfterMs: null, error: describe(error, timeoutMs) }
      }
    },
    close: () => agent.destroy(),
  }
}

function refuse(problem: string | null): void {
  if (problem) throw new ForbiddenTargetError(problem)
}

function failureOf(statusCode: number): string {
  if (statusCode >= 300 && statusCode < 400) return `HTTP status ${statusCode}: redirects are not followed`
  return `HTTP status ${statusCode}`
}

function describe(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof ForbiddenTargetError) return `the target is not allowed: ${error.message}`
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`
  return (error as NodeJS.ErrnoException).code ?? error.message
}

async function resolveByName(hostname: string): ReturnType<Resolve> {
  return lookupByName(hostname, { all: true })
}
