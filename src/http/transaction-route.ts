import type { Transaction } from '../domain/transaction.ts'
import { TransactionView, viewTransaction } from '../domain/transaction-view.ts'
import type { TypedApp } from './app.ts'
import { goneSignal } from './gone.ts'
import { problemAnswers, TransactionId, WaitQuery } from './schemas.ts'
import { notFound } from './transaction-routes.ts'

export interface OneTransactionDependencies {
  load(id: string): Promise<Transaction | null>
  readonly feed: { waitUntilDecided(id: string, waitMs: number, signal: AbortSignal): Promise<void> }
}

/** One transaction, now or as soon as it is decided. Apart from the others, because it may wait. */
export function addTransactionRoute(app: TypedApp, { load, feed }: OneTransactionDependencies): void {
  app.get(
    '/v1/transactions/:id',
    {
      schema: {
        tags: ['transactions'],
        summary: 'One transaction',
        description:
          'With `wait` a pending one is answered as soon as it is something else, or after that time as it is.',
        params: TransactionId,
        querystring: WaitQuery,
        response: { 200: TransactionView, ...problemAnswers(400, 404) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const { wait } = request.query
      const now = await load(id)
      if (!now) throw notFound(id)
      if (wait === 0 || now.status !== 'pending') return viewTransaction(now)
      await feed.waitUntilDecided(id, wait * 1_000, goneSignal(reply))
      const then = await load(id)
      if (!then) throw notFound(id)
      return viewTransaction(then)
    },
  )
}
