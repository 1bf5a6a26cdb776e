import type { Transaction } from '../domain/transaction.ts'
import type { Confirm } from './confirm.ts'
import type { Log } from './ports.ts'

export interface SlowCheckDependencies {
  readonly store: {
    /** With the database's clock. */
    leaseWatched(options: {
      intervalMs: number
      limit: number
    }): Promise<{ transactions: Transaction[]; now: Date }>
  }
  readonly confirm: Pick<Confirm, 'look'>
  readonly policy: {
    /** So long no other sweep takes a row that was taken. */
    readonly slowCheckLeaseMs: number
    /** Most slow checks at once. */
    readonly slowChecksAtOnce: number
  }
  readonly log: Log
}

/**
 * Checks the rows that have no message any more: stalled ones, and those that were replaced or expired lately. Rows are
 * taken as there are places for them, so that each is begun at once. One that fails holds up no other; a failure of the
 * database ends this run, and the next one tries again. Returns when nothing is due or `signal` aborts, and what was
 * begun has ended.
 */
export async function checkSlowly(
  { store, confirm, policy, log }: SlowCheckDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { slowCheckLeaseMs: intervalMs, slowChecksAtOnce } = policy
  // A statement for each free place would cost the database more than the checks do.
  const limit = Math.ceil(slowChecksAtOnce / 2)
  const begun = new Set<Promise<void>>()

  function begin(transaction: Transaction, now: Date): void {
    const check: Promise<void> = checkOne(transaction, now).finally(() => begun.delete(check))
    begun.add(check)
  }

  async function checkOne(transaction: Transaction, now: Date): Promise<void> {
    try {
      // No message tells whether a process ended with it in hand, so its write is always counted before it runs.
      await confirm.look(transaction, now, true)
    } catch (error) {
      log.warn(
        { err: error, id: transaction.id, txHash: transaction.txHash },
        'slow check failed; made again after the interval',
      )
    }
  }

  try {
    let isMore = true
    while (isMore && !signal.aborted) {
      const { transactions, now } = await store.leaseWatched({ intervalMs, limit })
      for (const transaction of transactions) begin(transaction, now)
      isMore = transactions.length === limit
      while (begun.size + limit > slowChecksAtOnce && begun.size > 0) await Promise.race(begun)
    }
  } finally {
    await Promise.all(begun)
  }
}
