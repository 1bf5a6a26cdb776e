import type { Knex } from 'knex'
import { countPrunable, type PruneOptions, pruneBatch } from './store/prune.ts'

export interface PruneProgress {
  readonly transactions: number
  readonly events: number
}

/** What is pruned. */
export type PruneTarget = Pick<PruneOptions, 'chain' | 'before' | 'prefix'>

const BATCH_SIZE = 1_000
/** Between two batches, so that the deletes leave the database to its work. */
const PAUSE_MS = 20

const UNITS_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000 }

/** Reads an age such as `90d`, `12h` or `30m`; in ms. Throws an Error that says what it must be. */
export function readAge(text: string): number {
  const [, count, unit] = /^(\d{1,6})([dhm])$/.exec(text) ?? []
  const unitMs = UNITS_MS[unit ?? '']
  if (!count || !unitMs) throw new Error(`an age is a number with d, h or m, such as 90d, not '${text}'`)
  return Number(count) * unitMs
}

/** Deletes what was settled before a time, in small batches. Stops after the batch in which `signal` aborts. */
export async function prune(
  db: Knex,
  target: PruneTarget,
  onProgress: (progress: PruneProgress) => void,
  signal: AbortSignal,
): Promise<PruneProgress> {
  let progress: PruneProgress = { transactions: 0, events: 0 }
  let after: string | null = null
  do {
    const { transactions, events, next } = await pruneBatch(db, { ...target, after, limit: BATCH_SIZE })
    progress = {
      transactions: progress.transactions + transactions,
      events: progress.events + events,
    }
    onProgress(progress)
    after = next
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  } while (after !== null && !signal.aborted)
  return progress
}

/** How many transactions a prune would delete now. */
export async function countAllPrunable(db: Knex, target: PruneTarget): Promise<number> {
  let count = 0
  let after: string | null = null
  do {
    const { transactions, next } = await countPrunable(db, { ...target, after, limit: BATCH_SIZE })
    count += transactions
    after = next
  } while (after !== null)
  return count
}
