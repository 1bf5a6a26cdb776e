import { Chain, Kind, RegistrationSchema, TxHash } from '../domain/registration.ts'
import { Status, TransactionDetail, TransactionView } from '../domain/transaction-view.ts'
import { Problem } from './problem.ts'

export const RegistrationBody = { ...RegistrationSchema, additionalProperties: false } as const

/** How long a request may wait for what it asks for. */
const MAX_WAIT_S = 60

export const Wait = {
  type: 'integer',
  minimum: 0,
  maximum: MAX_WAIT_S,
  default: 0,
  description: `how long to wait, in seconds: a whole number from 0 to ${MAX_WAIT_S}`,
} as const

/** The id in a path. */
function idOf<const T extends string>(what: T) {
  return {
    type: 'object',
    required: ['id'],
    properties: {
      id: {
        type: 'string',
        pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
        description: `the id of a ${what}: a UUID`,
      },
    },
  } as const
}

export const TransactionId = idOf('transaction')

/** The id of a transaction, or its hash, in a path. */
export const TransactionName = {
  type: 'object',
  required: ['id'],
  properties: {
    id: {
      type: 'string',
      pattern: '^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|0x[0-9a-fA-F]{64})$',
      description: 'the id of a transaction, a UUID, or its hash',
    },
  },
} as const

export const OneQuery = {
  type: 'object',
  additionalProperties: false,
  properties: { wait: Wait, chain: Chain, kind: Kind },
} as const

/** Several registrations of one hash: each is of a kind, or of a chain, of its own. */
export const TransactionChoices = {
  type: 'object',
  required: ['transactions'],
  properties: {
    transactions: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'chain', 'kind', 'status'],
        properties: {
          id: { type: 'string', format: 'uuid' },
          chain: { type: 'string' },
          kind: { type: 'string' },
          status: Status,
        },
      },
    },
  },
} as const
export const WebhookId = idOf('webhook')

const MAX_PAGE_SIZE = 200
const DEFAULT_PAGE_SIZE = 50

export const Limit = {
  type: 'integer',
  minimum: 1,
  maximum: MAX_PAGE_SIZE,
  default: DEFAULT_PAGE_SIZE,
  description: `the size of a page: a whole number from 1 to ${MAX_PAGE_SIZE}`,
} as const

export const NextCursor = { type: ['string', 'null'], description: 'null on the last page' } as const

export const ListQuery = {
  type: 'object',
  additionalProperties: false,
  properties: {
    txHash: TxHash,
    chain: Chain,
    status: { ...Status, description: `one of ${Status.enum.join(', ')}` },
    kind: Kind,
    parked: {
      type: 'boolean',
      description:
        'true for those that are set aside, as their business write failed too often; false for all others',
    },
    limit: Limit,
    cursor: {
      type: 'string',
      minLength: 1,
      maxLength: 100,
      description: 'the nextCursor of an earlier page',
    },
  },
} as const

/** A list shows what is parked apart from what is merely pending. */
const ListedTransaction = {
  ...TransactionView,
  required: [...TransactionView.required, 'parkedAt'],
  properties: { ...TransactionView.properties, parkedAt: TransactionDetail.properties.parkedAt },
} as const

export const TransactionPage = {
  type: 'object',
  required: ['transactions', 'nextCursor'],
  properties: {
    transactions: { type: 'array', items: ListedTransaction },
    nextCursor: NextCursor,
  },
} as const

export const Health = {
  type: 'object',
  required: ['status', 'checks'],
  properties: {
    status: { type: 'string', enum: ['ok', 'unavailable'] },
    checks: { type: 'object', additionalProperties: { type: 'string' } },
  },
} as const

/** What the guard of the API answers on any of its routes: no key, not from here, too many, too busy. */
const GUARD_STATUSES = [401, 403, 429, 503] as const

/** Answers of a route of the API that may end in these problems, or in those of its guard. */
export function problemAnswers<const S extends readonly number[]>(...statuses: S) {
  const answer = { description: 'a problem', content: { 'application/problem+json': { schema: Problem } } }
  const all = [...statuses, ...GUARD_STATUSES]
  return Object.fromEntries(all.map((status) => [status, answer])) as Record<
    S[number] | (typeof GUARD_STATUSES)[number],
    typeof answer
  >
}
