import type { Transaction, TransactionStatus } from '../domain/transaction.ts'
import { TransactionView, viewTransaction } from '../domain/transaction-view.ts'
import type { TypedApp } from './app.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { ProblemError } from './problem.ts'
import { type RegisterDependencies, register } from './register.ts'
import { ListQuery, problemAnswers, RegistrationBody, TransactionId, TransactionPage } from './schemas.ts'

export interface TransactionDependencies extends RegisterDependencies {
  recheck(id: string): Promise<Transaction | null>
  load(id: string): Promise<Transaction | null>
  list(filter: {
    txHash?: string
    chain?: string
    status?: TransactionStatus
    kind?: string
    parked?: boolean
    before?: string
    limit: number
  }): Promise<Transaction[]>
}

const TAGS = ['transactions']

export function addTransactionRoutes(app: TypedApp, dependencies: TransactionDependencies): void {
  app.post(
    '/v1/transactions',
    {
      schema: {
        tags: TAGS,
        summary: 'Have a sent transaction watched',
        description:
          'Answers 202 once the transaction is recorded, 200 if it was recorded before with the same content.',
        body: RegistrationBody,
        response: { 200: TransactionView, 202: TransactionView, ...problemAnswers(400, 409, 413, 415, 422) },
      },
    },
    async (request, reply) => {
      const { status, transaction } = await register(request.body, request, dependencies)
      return reply.code(status).send(transaction)
    },
  )

  app.get(
    '/v1/transactions',
    {
      schema: {
        tags: TAGS,
        summary: 'Transactions, the newest first',
        querystring: ListQuery,
        response: { 200: TransactionPage, ...problemAnswers(400) },
      },
    },
    async (request) => {
      const { cursor, ...filter } = request.query
      const before = cursor === undefined ? undefined : decodeCursor(cursor)
      if (before === null) {
        const message = 'must be the nextCursor of an earlier page'
        throw new ProblemError(400, `cursor ${message}`, [{ field: 'cursor', message }])
      }
      // One more than the page, to know whether there is another.
      const limit = filter.limit + 1
      const rows = await dependencies.list({ ...filter, ...(before ? { before } : {}), limit })
      const page = rows.slice(0, filter.limit)
      const last = page.at(-1)
      return {
        transactions: page.map((each) => ({
          ...viewTransaction(each),
          parkedAt: each.parkedAt?.toISOString() ?? null,
        })),
        nextCursor: last && rows.length > page.length ? encodeCursor(last.id) : null,
      }
    },
  )

  app.post(
    '/v1/transactions/:id/recheck',
    {
      schema: {
        tags: TAGS,
        summary: 'Look at a transaction again, from the start',
        description:
          'For transactions that are stalled, expired, replaced or parked: one check at once, with its counts at 0.',
        params: TransactionId,
        response: { 202: TransactionView, ...problemAnswers(400, 404, 409) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const reopened = await dependencies.recheck(id)
      if (reopened) return reply.code(202).send(viewTransaction(reopened))
      const found = await dependencies.load(id)
      if (!found) throw notFound(id)
      throw new ProblemError(409, `transaction ${id} is ${found.status}, which is final`)
    },
  )
}

export function notFound(name: string): ProblemError {
  const what = name.startsWith('0x') ? 'hash' : 'id'
  return new ProblemError(404, `there is no transaction with ${what} ${name}`)
}
