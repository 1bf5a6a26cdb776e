import { ANNOUNCED_STATUSES } from '../domain/event.ts'
import { Kind } from '../domain/registration.ts'
import { DELIVERY_STATUSES } from '../domain/webhook.ts'
import { Limit, NextCursor, WebhookId } from './schemas.ts'

const MAX_KINDS = 100
const Timestamp = { type: 'string', format: 'date-time' } as const
const NullableTimestamp = { type: ['string', 'null'], format: 'date-time' } as const
const Uuid = { type: 'string', format: 'uuid' } as const

const Url = {
  type: 'string',
  maxLength: 2_000,
  pattern: '^[\\x21-\\x7e]+$',
  description: 'an https URL of up to 2,000 characters of ASCII, without spaces',
} as const

const Description = {
  type: 'string',
  maxLength: 200,
  pattern: '^[^\\x00-\\x1f]*$',
  description: 'up to 200 characters in one line',
} as const

const Kinds = {
  type: ['array', 'null'],
  minItems: 1,
  maxItems: MAX_KINDS,
  items: Kind,
  description: `the kinds to send, up to ${MAX_KINDS}; null for all`,
} as const

const Statuses = {
  type: ['array', 'null'],
  minItems: 1,
  items: { type: 'string', enum: ANNOUNCED_STATUSES },
  description: `the statuses to send, of ${ANNOUNCED_STATUSES.join(', ')}; null for all`,
} as const

export const WebhookBody = {
  type: 'object',
  required: ['url'],
  additionalProperties: false,
  properties: { url: Url, description: Description, kinds: Kinds, statuses: Statuses },
} as const

export const WebhookChangeBody = {
  type: 'object',
  minProperties: 1,
  additionalProperties: false,
  properties: {
    ...WebhookBody.properties,
    enabled: { type: 'boolean', description: 'true or false; true also sends what waits' },
  },
} as const

const WEBHOOK_PROPERTIES = {
  id: Uuid,
  url: { type: 'string' },
  description: { type: 'string' },
  kinds: { type: ['array', 'null'], items: { type: 'string' } },
  statuses: { type: ['array', 'null'], items: { type: 'string' } },
  enabled: { type: 'boolean' },
  disabledReason: { type: ['string', 'null'], description: 'why confirmd switched it off' },
  failingSince: { ...NullableTimestamp, description: 'since when every attempt has failed' },
  createdAt: Timestamp,
} as const

export const WebhookAnswer = {
  type: 'object',
  required: Object.keys(WEBHOOK_PROPERTIES) as (keyof typeof WEBHOOK_PROPERTIES)[],
  properties: WEBHOOK_PROPERTIES,
} as const

export const SecretAnswer = {
  type: 'object',
  required: ['secret', 'previousSecretUntil'],
  properties: {
    secret: { type: 'string', description: 'whsec_…, shown this once' },
    previousSecretUntil: { ...Timestamp, description: 'until then both secrets sign' },
  },
} as const

export const CreatedWebhook = {
  type: 'object',
  required: [...WebhookAnswer.required, 'secret'],
  properties: { ...WEBHOOK_PROPERTIES, secret: SecretAnswer.properties.secret },
} as const

export const WebhookList = {
  type: 'object',
  required: ['webhooks'],
  properties: { webhooks: { type: 'array', items: WebhookAnswer } },
} as const

const DeliveryNumber = { type: 'string', pattern: '^[0-9]{1,18}$' } as const

export const DeliveryId = {
  type: 'object',
  required: ['id', 'deliveryId'],
  properties: {
    ...WebhookId.properties,
    deliveryId: { ...DeliveryNumber, description: 'the id of a delivery' },
  },
} as const

export const DeliveryAnswer = {
  type: 'object',
  required: [
    ...['id', 'webhookId', 'eventId', 'eventType', 'transactionId', 'status', 'attempts', 'nextAttemptAt'],
    ...['deliveredAt', 'createdAt'],
  ],
  properties: {
    id: { type: 'string' },
    webhookId: Uuid,
    eventId: Uuid,
    eventType: { type: 'string' },
    transactionId: { type: ['string', 'null'] },
    status: { type: 'string', enum: DELIVERY_STATUSES },
    attempts: {
      type: 'array',
      description: 'the last 20',
      items: {
        type: 'object',
        required: ['attemptedAt', 'durationMs', 'statusCode', 'error'],
        properties: {
          attemptedAt: Timestamp,
          durationMs: { type: 'integer' },
          statusCode: { type: ['integer', 'null'], description: 'null if there was no answer' },
          error: { type: ['string', 'null'] },
        },
      },
    },
    nextAttemptAt: NullableTimestamp,
    deliveredAt: NullableTimestamp,
    createdAt: Timestamp,
  },
} as const

export const DeliveryQuery = {
  type: 'object',
  additionalProperties: false,
  properties: {
    status: {
      type: 'string',
      enum: DELIVERY_STATUSES,
      description: `one of ${DELIVERY_STATUSES.join(', ')}`,
    },
    limit: Limit,
    cursor: { ...DeliveryNumber, description: 'the nextCursor of an earlier page' },
  },
} as const

export const DeliveryPage = {
  type: 'object',
  required: ['deliveries', 'nextCursor'],
  properties: {
    deliveries: { type: 'array', items: DeliveryAnswer },
    nextCursor: NextCursor,
  },
} as const

const Time = {
  type: 'string',
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,9})?)?(Z|[+-]\\d\\d:\\d\\d)$',
  description: 'a time such as 2026-11-21T09:00:00Z',
} as const

export const ReplayBody = {
  type: 'object',
  required: ['from'],
  additionalProperties: false,
  properties: {
    from: Time,
    to: { ...Time, description: `${Time.description}; now if it is left out` },
    delivered: { type: 'boolean', description: 'true to send again what was delivered, too' },
  },
} as const

export const Replayed = {
  type: 'object',
  required: ['replayed'],
  properties: { replayed: { type: 'integer', description: 'deliveries that are on their way again' } },
} as const
