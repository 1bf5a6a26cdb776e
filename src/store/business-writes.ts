import type { Knex } from 'knex'
import { BusinessWriteError } from '../domain/handler.ts'

export interface Write {
  /** Of the transaction whose verdict it belongs to. */
  readonly id: string
  run(trx: Knex.Transaction): Promise<void>
}

/**
 * Most business writes of one transaction. PostgreSQL keeps 64 subtransactions of each transaction at hand; with
 * more than that every snapshot of every connection becomes dear.
 */
export const MAX_WRITES = 50

/**
 * Runs business writes one after the other, each under a savepoint, so that one that throws is not in the way of
 * the next. Resolves with what they threw, by id; the caller rolls everything back then.
 */
export async function runBusinessWrites(
  trx: Knex.Transaction,
  writes: readonly Write[],
): Promise<ReadonlyMap<string, unknown>> {
  const [first, ...more] = writes
  if (!first) return new Map()
  return more.length === 0 ? runAlone(trx, first) : runTogether(trx, writes)
}

/**
 * In a knex transaction of its own: one that commits or rolls back by itself ends only that. knex takes the end of
 * the inner transaction for the end of the work, so the work itself is awaited as well.
 */
async function runAlone(trx: Knex.Transaction, { id, run }: Write): Promise<ReadonlyMap<string, unknown>> {
  let working: Promise<void> = Promise.resolve()
  try {
    await trx.transaction((own) => {
      working = run(own)
      return working
    })
    await working
    return new Map()
  } catch (error) {
    return new Map([[id, error]])
  }
}

/**
 * In one inner transaction for all: with one of knex's for each, 1,950 settles a second were made, so 3,180. If one
 * of them ends it by itself, or is not waited for any longer, that one has failed and the rest is not tried.
 */
async function runTogether(
  trx: Knex.Transaction,
  writes: readonly Write[],
): Promise<ReadonlyMap<string, unknown>> {
  const errors = new Map<string, unknown>()
  const shared = await trx.transaction()
  await shared.raw('SAVEPOINT business_write')
  for (const { id, run } of writes) {
    try {
      await run(shared)
      // Rejects if the write has ended the transaction.
      await shared.raw('RELEASE SAVEPOINT business_write; SAVEPOINT business_write')
    } catch (error) {
      errors.set(id, error)
      const rolledBack = await shared.raw('ROLLBACK TO SAVEPOINT business_write').then(
        () => true,
        () => false,
      )
      // It ended the transaction, or is still at work in it: the others are not tried in there.
      const isUnfinished = error instanceof BusinessWriteError && error.isUnfinished
      if (isUnfinished || !rolledBack) return errors
    }
  }
  // knex does not say if this fails; the events, which follow in the outer transaction, would fail then.
  await shared.commit()
  return errors
}
