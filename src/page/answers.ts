import type { Finding } from '../domain/diagnosis.ts'
import type { Look } from '../domain/look.ts'
import type { TransactionStatus } from '../domain/transaction.ts'
import type { TransactionView } from '../domain/transaction-view.ts'
import type { DeliveryStatus } from '../domain/webhook.ts'

/** `GET /v1/transactions`. */
export interface TransactionPage {
  readonly transactions: readonly TransactionView[]
  readonly nextCursor: string | null
}

/** `GET /v1/transactions/:id`. */
export type TransactionDetail = TransactionView & {
  readonly from: string | null
  readonly nonce: number | null
  readonly correlationId: string | null
  readonly handlerAttempts: number
  readonly parkedAt: string | null
  readonly stalledAt: string | null
  /** The last ones, the oldest first. */
  readonly looks: readonly Look[]
}

/** `GET /v1/transactions/:id/diagnosis`. */
export interface Diagnosis {
  readonly id: string
  readonly status: string
  readonly at: string
  readonly findings: readonly Finding[]
}

/** `GET /v1/transactions/:id/events`. */
export interface TransactionEvents {
  readonly events: readonly AnnouncedEvent[]
}

export interface AnnouncedEvent {
  /** Null: not yet in the feed. */
  readonly sequence: number | null
  readonly id: string
  readonly status: string
  readonly at: string
  /** On the exchange; null: there is none. */
  readonly announced: boolean | null
  readonly deliveries: readonly EventDelivery[]
}

export interface EventDelivery {
  readonly id: string
  readonly webhookId: string
  readonly url: string
  readonly status: DeliveryStatus
  readonly attempts: number
  readonly lastStatusCode: number | null
  readonly lastError: string | null
  readonly nextAttemptAt: string | null
}

/** Of `GET /v1/webhooks`. */
export interface WebhookView {
  readonly id: string
  readonly url: string
  readonly description: string
  readonly kinds: readonly string[] | null
  readonly statuses: readonly string[] | null
  readonly enabled: boolean
  readonly disabledReason: string | null
  readonly failingSince: string | null
  readonly createdAt: string
}

export interface WebhookList {
  readonly webhooks: readonly WebhookView[]
}

/** Of `GET /v1/webhooks/:id/deliveries`. */
export interface DeliveryView {
  readonly id: string
  readonly webhookId: string
  readonly eventId: string
  readonly eventType: string
  readonly transactionId: string | null
  readonly status: DeliveryStatus
  readonly attempts: readonly {
    readonly attemptedAt: string
    readonly durationMs: number
    readonly statusCode: number | null
    readonly error: string | null
  }[]
  readonly nextAttemptAt: string | null
  readonly deliveredAt: string | null
  readonly createdAt: string
}

export interface DeliveryPage {
  readonly deliveries: readonly DeliveryView[]
  readonly nextCursor: string | null
}

/** A status as the page shows it: what is parked is pending, but nobody looks at it. */
export type ShownStatus = TransactionStatus | 'parked'

export function shownStatus(transaction: {
  readonly status: TransactionStatus
  readonly parkedAt?: string | null
}): ShownStatus {
  return transaction.status === 'pending' && transaction.parkedAt ? 'parked' : transaction.status
}
