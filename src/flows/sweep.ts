import type { CheckQueue } from '../domain/check-queue.ts'
import { checkOf } from '../domain/message.ts'
import type { Transaction } from '../domain/transaction.ts'
import type { Confirm } from './confirm.ts'
import type { Log } from './ports.ts'

export interface SweepDependencies {
  readonly store: {
    leaseOverdue(options: { graceMs: number; limit: number }): Promise<Transaction[]>
    markUnpublished(ids: readonly string[], graceMs: number): Promise<void>
    /** With the database's clock. */
    leaseWatched(options: {
      intervalMs: number
      limit: number
    }): Promise<{ transactions: Transaction[]; now: Date }>
  }
  readonly queue: Pick<CheckQueue, 'publish' | 'backlog'>
  readonly confirm: Pick<Confirm, 'look'>
  readonly policy: {
    readonly sweepGraceMs: number
    readonly stalledCheckIntervalMs: number
  }
  readonly observer: { republished(count: number): void }
  readonly log: Log
}

const BATCH_SIZE = 500
/** Due checks in the queue beyond which the sweep adds none. */
const MAX_BACKLOG = 2_000

/**
 * The backstop of the queue: publishes the checks of overdue rows again, and looks slowly at the rows that
 * have no message any more. Returns when nothing is left to do or `signal` aborts.
 */
export async function sweep(dependencies: SweepDependencies, signal: AbortSignal): Promise<void> {
  await republishOverdue(dependencies, signal)
  await checkWatched(dependencies, signal)
}

/**
 * What is overdue while many checks are due is probably among them: publishing it again would only make the
 * backlog longer. So the queue is filled up to a bound, and what is left is found by a later sweep.
 */
async function republishOverdue(
  { store, queue, policy, observer, log }: SweepDependencies,
  signal: AbortSignal,
): Promise<void> {
  const backlog = await queue.backlog()
  if (backlog === null) return
  let room = MAX_BACKLOG - backlog
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

/** One that fails holds up no other; a failure of the database ends the sweep, and the next one tries again. */
async function checkWatched(
  { store, confirm, policy, log }: SweepDependencies,
  signal: AbortSignal,
): Promise<void> {
  let count: number
  do {
    const options = { intervalMs: policy.stalledCheckIntervalMs, limit: BATCH_SIZE }
    const { transactions, now } = await store.leaseWatched(options)
    count = transactions.length
    for (const transaction of transactions) {
      if (signal.aborted) return
      // No message tells whether a process ended with it in hand, so its write is always counted before it runs.
      await confirm.look(transaction, now, true).catch((error: unknown) => {
        log.warn(
          { err: error, id: transaction.id, txHash: transaction.txHash },
          'slow check failed; made again after the interval',
        )
      })
    }
  } while (count === BATCH_SIZE && !signal.aborted)
}
