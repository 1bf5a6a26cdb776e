import type { FromSchema } from 'json-schema-to-ts'
import { DELIVERY_STATUSES } from './webhook.ts'

const NullableInteger = { type: ['integer', 'null'] } as const
const NullableString = { type: ['string', 'null'] } as const
const NullableTimestamp = { type: ['string', 'null'], format: 'date-time' } as const

/** An event of a transaction and where it went. */
export const TransactionEventView = {
  type: 'object',
  required: ['sequence', 'id', 'status', 'at', 'announced', 'deliveries'],
  properties: {
    sequence: {
      ...NullableInteger,
      description: 'its place in the feed; null for a moment after the commit',
    },
    id: { type: 'string', format: 'uuid' },
    status: { type: 'string' },
    at: { type: 'string', format: 'date-time' },
    announced: {
      type: ['boolean', 'null'],
      description: 'whether the exchange has taken it; null where there is none',
    },
    deliveries: {
      type: 'array',
      description: 'to webhooks',
      items: {
        type: 'object',
        required: [
          ...['id', 'webhookId', 'url', 'status', 'attempts'],
          ...['lastStatusCode', 'lastError', 'nextAttemptAt'],
        ],
        properties: {
          id: { type: 'string' },
          webhookId: { type: 'string', format: 'uuid' },
          url: { type: 'string' },
          status: { type: 'string', enum: DELIVERY_STATUSES },
          attempts: { type: 'integer' },
          lastStatusCode: NullableInteger,
          lastError: NullableString,
          nextAttemptAt: NullableTimestamp,
        },
      },
    },
  },
} as const

export type TransactionEventView = FromSchema<typeof TransactionEventView>
