import { bulkhead } from 'cockatiel'
import type { Knex } from 'knex'
import { createBatch } from '../domain/batch.ts'
import type { Registration } from '../domain/registration.ts'
import type { Recorded } from '../domain/transaction.ts'
import { MAX_WRITES } from './business-writes.ts'
import { type LoadedTransaction, loadOpenTogether } from './read.ts'
import { recordTogether } from './record.ts'
import { type Settlement, type SettleOutcome, settleTogether } from './settle.ts'
import { recordWaitsTogether, type Wait, type WaitOutcome } from './wait.ts'
import type { WriteLimits } from './write-limits.ts'

/** What the flows do one by one and the database does together. */
export interface Batches {
  record(registration: Registration): Promise<Recorded>
  /** Null if there is no row with this id; `elsewhere` if it is of another chain. */
  loadOpen(id: string): Promise<LoadedTransaction | 'settled' | 'elsewhere' | null>
  recordWait(id: string, wait: Omit<Wait, 'id'>): Promise<WaitOutcome>
  /**
   * Commits a verdict with its business write and event. Rejects with a WriteFailedError if that failed, and with
   * another error if nothing can be said, because the database is unavailable.
   * @param isAlone in a database transaction of its own: of what failed before, neighbours are not to suffer
   */
  settle(verdict: Settlement, options: { readonly isAlone: boolean }): Promise<SettleOutcome>
}

/** Bounds the locks that one statement holds, and what one that fails has to do again. */
const MAX_ROWS = 200
/** Fewer: the first of a block's outcomes are announced while the last are settled. */
const MAX_SETTLED_ROWS = 100
/** Two: one is worked on by the database while the next is made ready. */
const STATEMENTS_AT_ONCE = 2
/** Business writes wait for the database one after the other, so more of their transactions run side by side. */
const WRITING_AT_ONCE = 4
/** Fewer of one kind: a kind whose writes hang leaves the others their share. */
const WRITING_AT_ONCE_OF_A_KIND = 2
/** How long the business writes of one transaction are to take together. */
const WRITING_TARGET_MS = 50

export function createBatches(
  db: Knex,
  { chain, limits }: { readonly chain: string; readonly limits: WriteLimits },
): Batches {
  const statement = { maxItems: MAX_ROWS, maxRunning: STATEMENTS_AT_ONCE }
  const record = createBatch({
    ...statement,
    run: (items: readonly Registration[]) => recordTogether(db, items),
  })
  const loadOpen = createBatch({
    ...statement,
    run: (ids: readonly string[]) => loadOpenTogether(db, chain, ids),
  })
  const recordWait = createBatch({
    ...statement,
    run: (waits: readonly Wait[]) => recordWaitsTogether(db, waits),
  })
  const settlePlain = createBatch({
    ...statement,
    maxItems: MAX_SETTLED_ROWS,
    run: (settlements: readonly Settlement[]) => settleTogether(db, settlements, limits),
  })
  const settleWriting = createWritingBatches(db, limits)
  return {
    record,
    loadOpen,
    recordWait: (id, wait) => recordWait({ id, ...wait }),
    settle: async (settlement, { isAlone }) => {
      if (!isAlone) return settlement.businessWrite ? settleWriting(settlement) : settlePlain(settlement)
      const [outcome] = await settleTogether(db, [settlement], limits)
      if (outcome?.status === 'fulfilled') return outcome.value
      throw outcome?.reason
    },
  }
}

/** One batch for each kind: a careless business write shares its database transaction with its own kind only. */
function createWritingBatches(
  db: Knex,
  limits: WriteLimits,
): (settlement: Settlement) => Promise<SettleOutcome> {
  const places = bulkhead(WRITING_AT_ONCE, Number.MAX_SAFE_INTEGER)
  const settle = (settlements: readonly Settlement[]) =>
    places.execute(() => settleTogether(db, settlements, limits))
  // As many as there are handlers.
  const batches = new Map<string, ReturnType<typeof createWritingBatch>>()
  return (settlement) => {
    const { kind } = settlement.transaction
    const batch = batches.get(kind) ?? createWritingBatch(settle)
    batches.set(kind, batch)
    return batch(settlement)
  }
}

/** The slower the business writes were of late, the fewer share a transaction: a slow one has its own. */
function createWritingBatch(
  settle: (settlements: readonly Settlement[]) => Promise<PromiseSettledResult<SettleOutcome>[]>,
) {
  let oneTakesMs = 1
  return createBatch({
    maxRunning: WRITING_AT_ONCE_OF_A_KIND,
    maxItems: () => Math.min(MAX_WRITES, Math.max(1, Math.round(WRITING_TARGET_MS / oneTakesMs))),
    run: async (settlements: readonly Settlement[]) => {
      const startedAt = performance.now()
      const outcomes = await settle(settlements)
      const tookMs = (performance.now() - startedAt) / settlements.length
      oneTakesMs = (oneTakesMs + tookMs) / 2
      return outcomes
    },
  })
}
