import type { Check } from './message.ts'
import type { Transaction } from './transaction.ts'

/** A message may arrive this much before its row is due and still be taken as its timer. */
export const EARLY_TOLERANCE_MS = 250

/**
 * Whether another copy of the check has taken over: the row has moved on to another retry count,
 * or it is not due yet because its next look is scheduled already.
 */
export function isSuperseded(
  transaction: Pick<Transaction, 'retryCount' | 'nextCheckAt'>,
  check: Pick<Check, 'retryCount'>,
  now: Date,
): boolean {
  return check.retryCount !== transaction.retryCount || remainingMs(transaction, now) > EARLY_TOLERANCE_MS
}

/** Time in ms until the row's next look is due; 0 if it is due. */
export function remainingMs(transaction: Pick<Transaction, 'nextCheckAt'>, now: Date): number {
  return Math.max(0, (transaction.nextCheckAt?.getTime() ?? 0) - now.getTime())
}
