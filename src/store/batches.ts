import type { Knex } from 'knex'
import { createBatch } from '../domain/batch.ts'
import type { Registration } from '../domain/registration.ts'
import type { Recorded, Transaction } from '../domain/transaction.ts'
import { MAX_WRITES } from './business-writes.ts'
import { type LoadedTransaction, loadOpenTogether } from './read.ts'
import { recordTogether } from './record.ts'
import { type BusinessWrite, type Settlement, settleTogether } from './settle.ts'
import { recordWaitsTogether, type Wait } from './wait.ts'

/** What the flows do one by one and the database does together. */
export interface Batches {
  record(registration: Registration): Promise<Recorded>
  /** Null if there is no row with this id. */
  loadOpen(id: string): Promise<LoadedTransaction | 'settled' | null>
  recordWait(id: string, wait: Omit<Wait, 'id'>): Promise<boolean>
  /**
   * Commits a verdict with its business write and event. Null if the row has its verdict already.
   * @param alone in a transaction of its own: of a write that failed before, neighbours are not to suffer
   */
  settle(
    transaction: Transaction,
    verdict: Omit<Settlement, 'transaction' | 'businessWrite'>,
    businessWrite: BusinessWrite | null,
    alone?: boolean,
  ): Promise<Transaction | null>
}

/** Bounds the locks that one statement holds, and what one that fails has to do again. */
const MAX_ROWS = 200
/** Fewer: the first of a block's outcomes are announced while the last are settled. */
const MAX_SETTLED_ROWS = 100
/** Two: one is worked on by the database while the next is made ready. */
const STATEMENTS_AT_ONCE = 2
/** Business writes wait for the database one after the other, so more of their transactions run side by side. */
const WRITING_AT_ONCE = 4
/** How long the business writes of one transaction are to take together. */
const WRITING_TARGET_MS = 50

export function createBatches(db: Knex): Batches {
  const statement = { maxItems: MAX_ROWS, maxRunning: STATEMENTS_AT_ONCE }
  const record = createBatch({
    ...statement,
    run: (items: readonly Registration[]) => recordTogether(db, items),
  })
  const loadOpen = createBatch({
    ...statement,
    run: (ids: readonly string[]) => loadOpenTogether(db, ids),
  })
  const recordWait = createBatch({
    ...statement,
    run: (waits: readonly Wait[]) => recordWaitsTogether(db, waits),
  })
  const settlePlain = createBatch({
    ...statement,
    maxItems: MAX_SETTLED_ROWS,
    run: (settlements: readonly Settlement[]) => settleTogether(db, settlements),
  })
  const settleWriting = createWritingBatch(db)
  return {
    record,
    loadOpen,
    recordWait: (id, wait) => recordWait({ id, ...wait }),
    settle: async (transaction, { status, receipt, failure, look }, businessWrite, alone = false) => {
      const settlement = { transaction, status, receipt, failure, look, businessWrite }
      if (!businessWrite) return settlePlain(settlement)
      if (!alone) return settleWriting(settlement)
      const [outcome] = await settleTogether(db, [settlement])
      if (outcome?.status === 'fulfilled') return outcome.value
      throw outcome?.reason
    },
  }
}

/** The slower the business writes were of late, the fewer share a transaction: a slow one has its own. */
function createWritingBatch(db: Knex) {
  let oneTakesMs = 1
  return createBatch({
    maxRunning: WRITING_AT_ONCE,
    maxItems: () => Math.min(MAX_WRITES, Math.max(1, Math.round(WRITING_TARGET_MS / oneTakesMs))),
    run: async (settlements: readonly Settlement[]) => {
      const startedAt = performance.now()
      const outcomes = await settleTogether(db, settlements)
      const tookMs = (performance.now() - startedAt) / settlements.length
      oneTakesMs = (oneTakesMs + tookMs) / 2
      return outcomes
    },
  })
}
