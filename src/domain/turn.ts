import type { Check } from './message.ts'
import type { Transaction } from './transaction.ts'

/** A message may arrive this much before its row is due and still be taken as its timer. */
export const EARLY_TOLERANCE_MS = 250

/**
 * Whose turn it is when a check arrives. `due`: its row's. `early`: it is the row's own timer, and the database's clock
 * says that it is not due yet: the clock was set back. `superseded`: another copy of the check has taken over.
 */
export type Turn = 'due' | 'early' | 'superseded'

/**
 * The row has moved on if its retry count is another one, or if it is to be checked at another time, later, than the
 * check was published for. No check is put off for longer than `longestDelayMs`: where the clock says that it was, the
 * clock was set back by more than that, and is not waited for.
 */
export function turnOf(
  transaction: Pick<Transaction, 'retryCount' | 'nextCheckAt'>,
  check: Pick<Check, 'retryCount' | 'dueAt'>,
  now: Date,
  longestDelayMs: number,
): Turn {
  if (check.retryCount !== transaction.retryCount) return 'superseded'
  const earlyByMs = remainingMs(transaction, now)
  if (earlyByMs <= EARLY_TOLERANCE_MS) return 'due'
  if (check.dueAt !== dueAtOf(transaction)) return 'superseded'
  return earlyByMs > longestDelayMs + EARLY_TOLERANCE_MS ? 'due' : 'early'
}

/** When the row's next check is due, as its message says it. */
export function dueAtOf({ nextCheckAt }: Pick<Transaction, 'nextCheckAt'>): string | null {
  return nextCheckAt?.toISOString() ?? null
}

/** Time in ms until the row's next look is due; 0 if it is due. */
export function remainingMs(transaction: Pick<Transaction, 'nextCheckAt'>, now: Date): number {
  return Math.max(0, (transaction.nextCheckAt?.getTime() ?? 0) - now.getTime())
}
