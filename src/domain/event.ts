import type { Transaction, TransactionStatus } from './transaction.ts'
import { type TransactionView, viewTransaction } from './transaction-view.ts'

/** The states whose reaching is announced. */
export const ANNOUNCED_STATUSES = ['confirmed', 'failed', 'replaced', 'stalled', 'expired'] as const
export type AnnouncedStatus = Exclude<TransactionStatus, 'pending'>

/** An outcome to announce: a row of `outbox`, written in the transaction that made it true. */
export interface OutcomeEvent {
  readonly subject: 'transaction'
  readonly transactionId: string
  readonly chain: string
  readonly status: AnnouncedStatus
  readonly kind: string
  /** Of the registration. */
  readonly traceParent: string | null
  /** The transaction as the API showed it at that moment. */
  readonly data: TransactionView
}

/** A webhook was switched off by confirmd itself. */
export interface WebhookDisabledEvent {
  readonly subject: 'webhook'
  readonly transactionId: null
  /** It is told with the events of every chain. */
  readonly chain: null
  readonly status: 'disabled'
  readonly kind: ''
  readonly traceParent: null
  readonly data: { readonly id: string; readonly url: string; readonly reason: string }
}

export type NewEvent = OutcomeEvent | WebhookDisabledEvent

export function outcomeEvent(transaction: Transaction, status: AnnouncedStatus): OutcomeEvent {
  const { id, chain, kind, traceParent } = transaction
  const data = viewTransaction(transaction)
  return { subject: 'transaction', transactionId: id, chain, status, kind, traceParent, data }
}

export function webhookDisabledEvent(data: WebhookDisabledEvent['data']): WebhookDisabledEvent {
  const nothing = { transactionId: null, chain: null, kind: '', traceParent: null } as const
  return { subject: 'webhook', status: 'disabled', ...nothing, data }
}

/** CloudEvents 1.0 in structured JSON, with its extension `sequence`. */
export const CloudEventSchema = {
  type: 'object',
  required: ['specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'sequence', 'data'],
  properties: {
    specversion: { const: '1.0' },
    id: { type: 'string', format: 'uuid', description: 'the same however often the event is sent' },
    source: { type: 'string', description: 'urn:confirmd: and the chain' },
    type: { type: 'string', pattern: '^confirmd\\.(transaction|webhook)\\.[a-z]+\\.v1$' },
    subject: { type: 'string', description: 'the transaction hash; of a webhook its id' },
    time: { type: 'string', format: 'date-time', description: 'when it was decided' },
    datacontenttype: { const: 'application/json' },
    sequence: {
      type: 'string',
      pattern: '^[0-9]{19}$',
      description: 'place in the feed, without gaps, sortable as text; 0 for a test',
    },
    traceparent: {
      type: 'string',
      description: 'the W3C trace context of the registration, if it had one',
    },
    payloadomitted: {
      const: true,
      description:
        'only on the exchange, and only of an event over 8 MiB: the payload is null here; the API has it',
    },
    data: {
      type: 'object',
      description: 'of a transaction: as the API showed it at the time of the verdict',
    },
  },
} as const

/** An event as the exchange, webhooks and the feed carry it. */
export interface CloudEvent<Data extends object = object> {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly datacontenttype: 'application/json'
  readonly sequence: string
  readonly traceparent?: string
  readonly payloadomitted?: true
  readonly data: Data
}

/** A row of `outbox`. */
export interface StoredEvent {
  /** Null for a test of a webhook, which has no place in the feed. */
  readonly sequence: number | null
  readonly id: string
  readonly subject: string
  readonly transactionId: string | null
  readonly status: string
  readonly kind: string
  readonly createdAt: Date
  readonly traceParent: string | null
  readonly data: { readonly id?: unknown; readonly txHash?: unknown; readonly chain?: unknown }
}

const SEQUENCE_DIGITS = 19

export function toCloudEvent({
  sequence,
  id,
  subject,
  status,
  createdAt,
  traceParent,
  data,
}: StoredEvent): CloudEvent {
  return {
    specversion: '1.0',
    id,
    source: `urn:confirmd:${typeof data.chain === 'string' ? data.chain : subject}`,
    type: `confirmd.${subject}.${status}.v1`,
    subject: String(data.txHash ?? data.id),
    time: createdAt.toISOString(),
    datacontenttype: 'application/json',
    sequence: String(sequence ?? 0).padStart(SEQUENCE_DIGITS, '0'),
    ...(traceParent === null ? {} : { traceparent: traceParent }),
    data,
  }
}

/** `transaction.<status>.<kind>`; a dot in a kind begins a word of its own, as AMQP has it. */
export function routingKeyOf({
  subject,
  status,
  kind,
}: Pick<StoredEvent, 'subject' | 'status' | 'kind'>): string {
  return [subject, status, kind].filter(Boolean).join('.')
}
