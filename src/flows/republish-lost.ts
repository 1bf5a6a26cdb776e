import type { CheckQueue } from '../domain/check-queue.ts'
import { checkOf } from '../domain/message.ts'
import { republishBudget } from '../domain/sweep-budget.ts'
import type { Transaction } from '../domain/transaction.ts'
import type { Log } from './ports.ts'

export interface RepublishDependencies {
  readonly store: {
    leaseOverdue(options: { graceMs: number; limit: number }): Promise<Transaction[]>
    markUnpublished(ids: readonly string[], graceMs: number): Promise<void>
  }
  readonly queue: Pick<CheckQueue, 'publish' | 'backlog'>
  readonly policy: { readonly sweepGraceMs: number }
  readonly observer: { republished(count: number): void }
  readonly log: Log
}

const BATCH_SIZE = 500

/**
 * The backstop of the queue: publishes the checks of overdue rows again. Returns when nothing is overdue, the budget is
 * used, or `signal` aborts. It waits for nothing but the database and the broker.
 */
export async function republishLost(
  { store, queue, policy, observer, log }: RepublishDependencies,
  signal: AbortSignal,
): Promise<void> {
  const backlog = await queue.backlog()
  if (backlog === null) return
  let room = republishBudget(backlog)
  while (room > 0 && !signal.aborted) {
    const limit = Math.min(BATCH_SIZE, room)
    const overdue = await store.leaseOverdue({ graceMs: policy.sweepGraceMs, limit })
    const outcomes = await Promise.allSettled(
      overdue.map((transaction) => queue.publish(checkOf(transaction))),
    )
    const failed = overdue.filter((_, index) => outcomes[index]?.status === 'rejected')
    const count = overdue.length - failed.length
    if (count > 0) {
      observer.republished(count)
      log.warn({ count }, 'overdue checks published again')
    }
    if (failed.length > 0) {
      const ids = failed.map(({ id }) => id)
      await store.markUnpublished(ids, policy.sweepGraceMs)
      const [error] = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
      log.warn({ err: error, count: ids.length }, 'overdue checks not published; the next sweep tries again')
      return
    }
    if (overdue.length < limit) return
    room -= limit
  }
}
