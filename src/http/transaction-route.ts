import type { Look } from '../domain/look.ts'
import type { Transaction } from '../domain/transaction.ts'
import { TransactionDetail, viewDetail } from '../domain/transaction-view.ts'
import type { TypedApp } from './app.ts'
import { goneSignal } from './gone.ts'
import { OneQuery, problemAnswers, TransactionChoices, TransactionName } from './schemas.ts'
import { notFound } from './transaction-routes.ts'

export interface OneTransactionDependencies {
  load(id: string): Promise<{ transaction: Transaction; looks: readonly Look[] } | null>
  list(filter: { txHash: string; chain?: string; kind?: string; limit: number }): Promise<Transaction[]>
  readonly feed: { waitUntilDecided(id: string, waitMs: number, signal: AbortSignal): Promise<void> }
}

/** A hash that more kinds have registered than that is asked for with its kind. */
const MAX_CHOICES = 100

/** One transaction, now or as soon as it is decided. Apart from the others, because it may wait. */
export function addTransactionRoute(app: TypedApp, { load, list, feed }: OneTransactionDependencies): void {
  app.get(
    '/v1/transactions/:id',
    {
      schema: {
        tags: ['transactions'],
        summary: 'One transaction, with what was seen of it and when',
        description:
          'By its id or its hash. A hash that several kinds have registered is answered 300 with all of them; `kind` and `chain` choose one. With `wait` a pending one is answered as soon as it is something else, or after that time as it is.',
        params: TransactionName,
        querystring: OneQuery,
        response: { 200: TransactionDetail, 300: TransactionChoices, ...problemAnswers(400, 404) },
      },
    },
    async (request, reply) => {
      const { id: name } = request.params
      const { wait, chain, kind } = request.query
      let id = name
      if (name.startsWith('0x')) {
        const which = { ...(chain ? { chain } : {}), ...(kind ? { kind } : {}) }
        const [only, ...others] = await list({ txHash: name, ...which, limit: MAX_CHOICES })
        if (!only) throw notFound(name)
        if (others.length > 0) return reply.code(300).send({ transactions: [only, ...others].map(toChoice) })
        id = only.id
      }
      const now = await load(id)
      if (!now) throw notFound(name)
      if (wait === 0 || now.transaction.status !== 'pending') return viewDetail(now.transaction, now.looks)
      await feed.waitUntilDecided(id, wait * 1_000, goneSignal(reply))
      const then = await load(id)
      if (!then) throw notFound(name)
      return viewDetail(then.transaction, then.looks)
    },
  )
}

function toChoice({ id, chain, kind, status }: Transaction) {
  return { id, chain, kind, status }
}
