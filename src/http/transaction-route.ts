import type { Look } from '../domain/look.ts'
import type { Transaction } from '../domain/transaction.ts'
import { TransactionDetail, viewDetail } from '../domain/transaction-view.ts'
import type { TypedApp } from './app.ts'
import { goneSignal } from './gone.ts'
import { problemAnswers, TransactionId, WaitQuery } from './schemas.ts'
import { notFound } from './transaction-routes.ts'

export interface OneTransactionDependencies {
  load(id: string): Promise<{ transaction: Transaction; looks: readonly Look[] } | null>
  readonly feed: { waitUntilDecided(id: string, waitMs: number, signal: AbortSignal): Promise<void> }
}

/** One transaction, now or as soon as it is decided. Apart from the others, because it may wait. */
export function addTransactionRoute(app: TypedApp, { load, feed }: OneTransactionDependencies): void {
  app.get(
    '/v1/transactions/:id',
    {
      schema: {
        tags: ['transactions'],
        summary: 'One transaction, with what was seen of it and when',
        description:
          'With `wait` a pending one is answered as soon as it is something else, or after that time as it is.',
        params: TransactionId,
        querystring: WaitQuery,
        response: { 200: TransactionDetail, ...problemAnswers(400, 404) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const { wait } = request.query
      const now = await load(id)
      if (!now) throw notFound(id)
      if (wait === 0 || now.transaction.status !== 'pending') return viewDetail(now.transaction, now.looks)
      await feed.waitUntilDecided(id, wait * 1_000, goneSignal(reply))
      const then = await load(id)
      if (!then) throw notFound(id)
      return viewDetail(then.transaction, then.looks)
    },
  )
}
