import type { FromSchema } from 'json-schema-to-ts'

const Timestamp = { type: 'string', format: 'date-time' } as const
const NullableTimestamp = { type: ['string', 'null'], format: 'date-time' } as const
const Integer = { type: 'integer' } as const
const NullableInteger = { type: ['integer', 'null'] } as const
const NullableString = { type: ['string', 'null'] } as const

/** How confirmd is doing now, from what all its processes wrote down. */
export const Overview = {
  type: 'object',
  required: [
    ...['at', 'version', 'chain', 'open', 'settledLastMinute', 'queues', 'nodes', 'processes', 'leader'],
    ...['webhooks', 'unsentEvents'],
  ],
  properties: {
    at: Timestamp,
    version: { type: 'string' },
    chain: { type: 'string' },
    open: {
      type: 'object',
      required: ['pending', 'overdue', 'stalled', 'parked'],
      properties: {
        pending: { ...Integer, description: 'without those that are parked' },
        overdue: { ...Integer, description: 'pending, and the next look is due' },
        stalled: { ...Integer, description: 'without those that are parked' },
        parked: {
          ...Integer,
          description: 'set aside: the business write failed too often, or nobody handles the kind',
        },
      },
    },
    settledLastMinute: { ...Integer, description: 'confirmed, failed or replaced in the last 60 s' },
    queues: {
      type: 'array',
      description: 'empty while the broker is away; due and waiting rows where the table is the queue',
      items: {
        type: 'object',
        required: ['name', 'role', 'delayMs', 'messages'],
        properties: {
          name: { type: 'string' },
          role: { type: 'string', enum: ['check', 'wait', 'parked'] },
          delayMs: { ...NullableInteger, description: 'of a wait queue' },
          messages: Integer,
        },
      },
    },
    nodes: {
      type: 'array',
      description: 'as the workers last saw them, in their order of preference',
      items: {
        type: 'object',
        required: ['name', 'headNumber', 'headAt', 'lagBlocks', 'seenAt', 'problem'],
        properties: {
          name: { type: 'string' },
          headNumber: NullableInteger,
          headAt: { ...NullableTimestamp, description: "the head's own time" },
          lagBlocks: { ...NullableInteger, description: 'behind the best node' },
          seenAt: NullableTimestamp,
          problem: { ...NullableString, description: 'why it is not used at the moment' },
        },
      },
    },
    processes: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'role', 'host', 'pid', 'version', 'startedAt', 'seenAt'],
        properties: {
          id: { type: 'string', format: 'uuid' },
          role: { type: 'string', enum: ['start', 'api', 'worker'] },
          host: { type: 'string' },
          pid: Integer,
          version: { type: 'string' },
          startedAt: Timestamp,
          seenAt: Timestamp,
        },
      },
    },
    leader: {
      type: ['object', 'null'],
      description: 'the process that follows the blocks',
      required: ['processId', 'blockNumber'],
      properties: { processId: { type: 'string', format: 'uuid' }, blockNumber: NullableInteger },
    },
    webhooks: {
      type: 'object',
      required: ['enabled', 'disabled', 'failing', 'deliveriesWaiting'],
      properties: {
        enabled: Integer,
        disabled: Integer,
        failing: { ...Integer, description: 'enabled, and the last attempt failed' },
        deliveriesWaiting: Integer,
      },
    },
    unsentEvents: {
      ...Integer,
      description: 'committed, and not yet taken by the exchange; 0 where there is none',
    },
  },
} as const

/** What happened in each of the last minutes, the oldest first; minutes in which nothing did are there too. */
export const Activity = {
  type: 'object',
  required: ['minutes'],
  properties: {
    minutes: {
      type: 'array',
      items: {
        type: 'object',
        required: ['at', 'settled', 'retries', 'latencyMs'],
        properties: {
          at: { ...Timestamp, description: 'its beginning' },
          settled: {
            type: 'object',
            description: 'by status: confirmed, failed, replaced, stalled, expired',
            additionalProperties: Integer,
          },
          retries: {
            type: 'object',
            description: 'by reason: receipt-absent, not-final, node-unavailable, handler-failed',
            additionalProperties: Integer,
          },
          latencyMs: {
            type: ['object', 'null'],
            description: 'from the registration to the committed verdict; null if none was settled',
            required: ['p50', 'p95', 'p99'],
            properties: { p50: { type: 'number' }, p95: { type: 'number' }, p99: { type: 'number' } },
          },
        },
      },
    },
  },
} as const

export type Overview = FromSchema<typeof Overview>
export type Activity = FromSchema<typeof Activity>
