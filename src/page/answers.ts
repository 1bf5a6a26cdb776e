import type { TransactionStatus } from '../domain/transaction.ts'
import type { TransactionEventView } from '../domain/transaction-event.ts'
import type { TransactionView } from '../domain/transaction-view.ts'
import type { DeliveryStatus } from '../domain/webhook.ts'

/** `GET /v1/transactions`. */
export interface TransactionPage {
  readonly transactions: readonly (TransactionView & { readonly parkedAt: string | null })[]
  readonly nextCursor: string | null
}

/** `GET /v1/transactions/:id/events`. */
export interface TransactionEvents {
  readonly events: readonly TransactionEventView[]
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

/** A status as the page shows it: what is parked keeps its status, but nobody checks it. */
export type ShownStatus = TransactionStatus | 'parked'

export function shownStatus(transaction: {
  readonly status: TransactionStatus
  readonly parkedAt: string | null
}): ShownStatus {
  return transaction.parkedAt ? 'parked' : transaction.status
}
