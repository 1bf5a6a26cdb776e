import { Type } from 'typebox'
import { Chain, Kind, registrationFields, TxHash } from '../domain/registration.ts'
import { Status, TransactionView } from '../domain/transaction-view.ts'
import { Problem } from './problem.ts'

export const RegistrationBody = Type.Object(registrationFields, { additionalProperties: false })

export const TransactionId = Type.Object({
  id: Type.String({
    pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
    description: 'the id of a transaction: a UUID',
  }),
})

export const MAX_PAGE_SIZE = 200

export const ListQuery = Type.Object(
  {
    txHash: Type.Optional(TxHash),
    chain: Type.Optional(Chain),
    status: Type.Optional({ ...Status, description: `one of ${Status.enum.join(', ')}` }),
    kind: Type.Optional(Kind),
    limit: Type.Integer({
      minimum: 1,
      maximum: MAX_PAGE_SIZE,
      default: 50,
      description: `the size of a page: a whole number from 1 to ${MAX_PAGE_SIZE}`,
    }),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: 'the nextCursor of an earlier page' }),
    ),
  },
  { additionalProperties: false },
)

export const TransactionPage = Type.Object({
  transactions: Type.Array(TransactionView),
  nextCursor: Type.Union([Type.String(), Type.Null()], { description: 'null on the last page' }),
})

export const Health = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]),
  checks: Type.Record(Type.String(), Type.String()),
})

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
