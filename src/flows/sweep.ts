import type { CheckQueue } from '../domain/check-queue.ts'
import type { Transaction } from '../domain/transaction.ts'
import type { Confirm } from './confirm.ts'
import type { Log } from './ports.ts'
import { checkOf } from './submit.ts'

export interface SweepDependencies {
  readonly store: {
    leaseOverdue(options: { graceMs: number; limit: number }): Promise<Transaction[]>
    leaseWatched(options: { intervalMs: number; limit: number }): Promise<Transaction[]>
  }
  readonly queue: Pick<CheckQueue, 'publish'>
  readonly confirm: Pick<Confirm, 'look'>
  readonly policy: {
    readonly sweepGraceMs: number
    readonly stalledCheckIntervalMs: number
  }
  readonly observer: { republished(count: number): void }
  readonly log: Log
  readonly clock: () => Date
}

const BATCH_SIZE = 500

/**
 * The backstop of the queue: publishes the checks of overdue rows again, and looks slowly at the rows that
 * have no message any more. Returns when nothing is left to do or `signal` aborts.
 */
export async function sweep(dependencies: SweepDependencies, signal: AbortSignal): Promise<void> {
  await republishOverdue(dependencies, signal)
  await lookAtWatched(dependencies, signal)
}

async function republishOverdue(
  { store, queue, policy, observer, log }: SweepDependencies,
  signal: AbortSignal,
): Promise<void> {
  let overdue: Transaction[]
  do {
    overdue = await store.leaseOverdue({ graceMs: policy.sweepGraceMs, limit: BATCH_SIZE })
    const outcomes = await Promise.allSettled(
      overdue.map((transaction) => queue.publish(checkOf(transaction))),
    )
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected')
    const count = outcomes.length - failures.length
    if (count > 0) {
      observer.republished(count)
      log.warn({ count }, 'overdue checks published again')
    }
    if (failures[0]) {
      log.warn(
        { err: failures[0].reason, count: failures.length },
        'overdue checks not published; next sweep tries again',
      )
      return
    }
  } while (overdue.length === BATCH_SIZE && !signal.aborted)
}

async function lookAtWatched(
  { store, confirm, policy, clock }: SweepDependencies,
  signal: AbortSignal,
): Promise<void> {
  let watched: Transaction[]
  do {
    watched = await store.leaseWatched({ intervalMs: policy.stalledCheckIntervalMs, limit: BATCH_SIZE })
    for (const transaction of watched) {
      if (signal.aborted) return
      await confirm.look(transaction, clock())
    }
  } while (watched.length === BATCH_SIZE && !signal.aborted)
}
