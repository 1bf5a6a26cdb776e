import type { CheckQueue } from '../domain/check-queue.ts'
import { checkOf } from '../domain/message.ts'
import type { Registration } from '../domain/registration.ts'
import type { Recorded, Transaction } from '../domain/transaction.ts'
import { createLatePublish } from './late-publish.ts'
import type { Log, Recorder } from './ports.ts'
import { traceFields } from './trace-fields.ts'

export interface SubmitDependencies {
  readonly store: Recorder & {
    reopen(id: string): Promise<Transaction | null>
    markUnpublished(ids: readonly string[], graceMs: number): Promise<void>
  }
  readonly queue: Pick<CheckQueue, 'publish'>
  readonly policy: { readonly sweepGraceMs: number }
  readonly log: Log
}

export interface Submit {
  /** Records and, if the row is new, publishes its check in the background. */
  submit(registration: Registration): Promise<Recorded>
  /** Starts the looks at an open transaction again; null if there is none with this id. */
  recheck(id: string): Promise<Transaction | null>
  /** Resolves when no publish is under way. */
  drain(): Promise<void>
}

export function createSubmit({ store, queue, policy, log }: SubmitDependencies): Submit {
  const underWay = new Set<Promise<void>>()
  const late = createLatePublish({
    markUnpublished: (ids) => store.markUnpublished(ids, policy.sweepGraceMs),
    log,
  })

  // The answer does not wait for the queue: the row is committed, and the sweep publishes what was missed.
  function publishInBackground(transaction: Transaction): void {
    const published: Promise<void> = queue
      .publish(checkOf(transaction))
      .catch((error: unknown) => {
        log.info({ err: error, ...traceFields(transaction) }, 'check not published')
        late.add(transaction.id)
      })
      .finally(() => underWay.delete(published))
    underWay.add(published)
  }

  return {
    submit: async (registration) => {
      const recorded = await store.record(registration)
      if (recorded.outcome === 'recorded') {
        log.info(traceFields(recorded.transaction), 'transaction recorded')
        publishInBackground(recorded.transaction)
      }
      return recorded
    },
    recheck: async (id) => {
      const transaction = await store.reopen(id)
      if (transaction) {
        log.info(traceFields(transaction), 'transaction rechecked')
        publishInBackground(transaction)
      }
      return transaction
    },
    drain: async () => {
      await Promise.all(underWay)
      await late.drain()
    },
  }
}
