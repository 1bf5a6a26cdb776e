import type { AnnouncedStatus, StoredEvent } from './event.ts'

/** Where outcomes are to be sent. */
export interface Webhook {
  readonly id: string
  readonly url: string
  readonly description: string
  /** Null: of every kind. */
  readonly kinds: readonly string[] | null
  /** Null: of every status. */
  readonly statuses: readonly AnnouncedStatus[] | null
  readonly enabled: boolean
  /** Why confirmd switched it off; null if it did not. */
  readonly disabledReason: string | null
  /** Since when every attempt has failed; null if the last one succeeded. */
  readonly failingSince: Date | null
  readonly createdAt: Date
}

export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed'] as const
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]

/** An event on its way to a webhook, with what was tried. */
export interface Delivery {
  readonly id: string
  readonly webhookId: string
  readonly eventId: string
  readonly eventType: string
  readonly transactionId: string | null
  readonly status: DeliveryStatus
  /** The newest last; the first ones may have been left out. */
  readonly attempts: readonly DeliveryAttempt[]
  readonly nextAttemptAt: Date | null
  readonly deliveredAt: Date | null
  readonly createdAt: Date
}

export interface DeliveryAttempt {
  readonly attemptedAt: Date
  readonly durationMs: number
  /** Null if there was no answer. */
  readonly statusCode: number | null
  readonly error: string | null
}

/** What a person says of a webhook. */
export type WebhookFields = Pick<Webhook, 'url' | 'description' | 'kinds' | 'statuses'>

export type WebhookChange = Partial<WebhookFields & Pick<Webhook, 'enabled'>>

export interface DeliveryFilter {
  readonly webhookId: string
  readonly status?: DeliveryStatus | undefined
  /** Deliveries older than this id. */
  readonly before?: string | undefined
  readonly limit: number
}

export interface ReplayRange {
  readonly from: Date
  readonly to: Date
  /** Whether to send again what was delivered, too. */
  readonly delivered: boolean
}

/** A delivery that is due, with all that its request needs. */
export interface DueDelivery {
  readonly id: string
  readonly webhookId: string
  readonly url: string
  /** The newest first; all of them sign. */
  readonly secrets: readonly string[]
  /** How many there were before. */
  readonly attempts: number
  readonly failingSince: Date | null
  readonly event: StoredEvent
}

/** What came of one request. */
export interface AttemptOutcome {
  readonly statusCode: number | null
  /** Of the answer's Retry-After; null if it has none. */
  readonly retryAfterMs: number | null
  /** Null if the answer was 2xx. */
  readonly error: string | null
}

export interface DeliveryPolicy {
  /** Waits after the first, second, … attempt that failed; after the last of them it is given up. */
  readonly retryDelaysMs: readonly number[]
  /** A webhook of which every attempt has failed for so long is switched off. */
  readonly disableAfterMs: number
}

/** What to do after an attempt. */
export interface AttemptDecision {
  readonly status: DeliveryStatus
  /** Of a delivery that stays pending. */
  readonly nextAttemptInMs: number | null
  /** Null to leave the webhook on. */
  readonly disable: Disabling | null
}

/** Why a webhook is to be switched off. */
export interface Disabling {
  readonly reason: string
  /** Only if every attempt has failed since then; null if that does not matter. */
  readonly failingSince: Date | null
}

/** Gone: nothing is to be sent there any more. */
const GONE = 410
const JITTER = 0.2

/**
 * The rules of Standard Webhooks 1.0: 2xx only is success, 410 ends it, other failures are tried again later, never
 * before the answer's Retry-After.
 * @param attempts how many there were, this one included
 * @param random from 0 to 1
 */
export function decideAttempt(
  { statusCode, retryAfterMs, error }: AttemptOutcome,
  { attempts, failingSince, now }: { attempts: number; failingSince: Date | null; now: Date },
  policy: DeliveryPolicy,
  random: number,
): AttemptDecision {
  if (error === null) return { status: 'delivered', nextAttemptInMs: null, disable: null }
  const disable = disableReason(statusCode, failingSince, now, policy)
  const delayMs = policy.retryDelaysMs[attempts - 1]
  if (delayMs === undefined || statusCode === GONE)
    return { status: 'failed', nextAttemptInMs: null, disable }
  const jittered = delayMs * (1 + JITTER * random)
  return { status: 'pending', nextAttemptInMs: Math.round(Math.max(jittered, retryAfterMs ?? 0)), disable }
}

function disableReason(
  statusCode: number | null,
  failingSince: Date | null,
  now: Date,
  { disableAfterMs }: DeliveryPolicy,
): Disabling | null {
  if (statusCode === GONE) return { reason: 'it answered 410: it wants nothing more', failingSince: null }
  if (failingSince === null || now.getTime() - failingSince.getTime() < disableAfterMs) return null
  return { reason: `every attempt has failed since ${failingSince.toISOString()}`, failingSince }
}
