import { storableText } from './storable-text.ts'
import type { Transaction } from './transaction.ts'

/**
 * How the verdict of a transaction is committed next. `together`: in one database transaction with others of its kind,
 * not counted. `alone`: in a database transaction of its own, counted in the row before it begins, one at a time in a
 * process, so that a process that dies tells which one it was. `park`: set aside until a recheck.
 */
export type WriteMode = 'together' | 'alone' | 'park'

/**
 * The one place that decides when to give up a verdict that can't be committed, for the queue, the follower and the
 * sweep alike.
 * @param mayHaveEndedAProcess a process ended with this check in hand
 */
export function writeModeOf(
  { handlerAttempts }: Pick<Transaction, 'handlerAttempts'>,
  { handlerRetryLimit }: { readonly handlerRetryLimit: number },
  mayHaveEndedAProcess: boolean,
): WriteMode {
  if (handlerAttempts >= handlerRetryLimit) return 'park'
  return handlerAttempts > 0 || mayHaveEndedAProcess ? 'alone' : 'together'
}

/**
 * What the row says while a counted attempt runs; it stays if the process ends in it, so it is worded for both. Why the
 * attempt before failed is kept: a process may have been ended by something else.
 */
export function attemptText(
  { kind, lastError }: Pick<Transaction, 'kind' | 'lastError'>,
  attempt: number,
): string {
  const text = `attempt ${attempt} to commit the verdict with the business write of kind '${kind}' was begun and has not ended: unless it runs right now, the process died in it`
  const before = lastError?.startsWith('attempt ') ? lastError.split(BEFORE)[1] : lastError
  return before ? storableText(`${text}${BEFORE}${before}`) : text
}

const BEFORE = '. Before that: '
