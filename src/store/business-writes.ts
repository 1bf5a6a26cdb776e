import type { Knex } from 'knex'
import { WriteFailedError, type WriteFailure } from '../domain/handler.ts'
import { raw } from './statement.ts'
import { isOfTheServer, REFUSED_COMMIT, reasonOf, sqlStateOf } from './statement-errors.ts'
import type { WriteLimits } from './write-limits.ts'
import { GUARD_COMMIT, READ_ONLY_OUTSIDE, RESET_SESSION } from './write-session.ts'

export interface Write {
  /** Of the transaction whose verdict it belongs to. */
  readonly id: string
  readonly kind: string
  /** Rejects with a WriteFailedError if the write threw or took too long. */
  run(trx: Knex.Transaction): Promise<void>
}

/** The database transaction that the writes are part of. */
export interface BegunTransaction {
  /** Its id, as text: while the session still gives this one, nobody has ended the transaction. */
  readonly xid: string
  readonly limits: WriteLimits
  /** Ends its session at once, whatever runs in it. */
  terminate(): Promise<void>
}

/**
 * Most business writes of one transaction. PostgreSQL keeps 64 subtransactions of each transaction at hand; with
 * more than that every snapshot of every connection becomes dear.
 */
export const MAX_WRITES = 50

/** Between two writes: what the one changed of the session is taken back, and the transaction must be the same still. */
function betweenWrites({ sql }: WriteLimits): string {
  return `RELEASE SAVEPOINT business_write; ${RESET_SESSION}; ${READ_ONLY_OUTSIDE}; ${sql}; ${GUARD_COMMIT};
  SELECT pg_current_xact_id_if_assigned()::text AS xid; SAVEPOINT business_write`
}

const IN_FAILED_TRANSACTION = '25P02'
const NO_TRANSACTION = ['25P01', '3B001']
const READ_ONLY_TRANSACTION = '25006'

/**
 * Runs business writes one after the other, each under a savepoint, so that one that throws is not in the way of the
 * next. Resolves with what failed, by id; the caller rolls everything back then. If one of them ended the transaction,
 * or is not waited for any longer, the rest is not tried.
 */
export async function runBusinessWrites(
  trx: Knex.Transaction,
  writes: readonly Write[],
  begun: BegunTransaction,
): Promise<ReadonlyMap<string, WriteFailedError>> {
  const failures = new Map<string, WriteFailedError>()
  // A knex transaction of its own: a write that calls `trx.commit()` or `trx.rollback()` ends only this one.
  const own = await trx.transaction()
  // knex hands these down to a transaction of the pool, not to one within it.
  own.userParams = trx.userParams
  await own.raw('SAVEPOINT business_write')
  for (const write of writes) {
    const failure = await runOne(own, write, begun)
    if (!failure) continue
    failures.set(write.id, failure)
    if (failure.failure === 'timeout') {
      await begun.terminate()
      return failures
    }
    try {
      await own.raw('ROLLBACK TO SAVEPOINT business_write')
    } catch (error) {
      if (failure.failure === 'threw') failures.set(write.id, withoutTransaction(error, failure))
      return failures
    }
  }
  // knex does not say if this fails; the transaction's own COMMIT shows it.
  if (failures.size === 0) await own.commit()
  return failures
}

async function runOne(
  own: Knex.Transaction,
  { kind, run }: Write,
  { xid, limits }: BegunTransaction,
): Promise<WriteFailedError | null> {
  try {
    await run(own)
  } catch (error) {
    return toWriteFailure(error, kind)
  }
  try {
    const results = await raw<{ rows: { xid: string | null }[] }[]>(own, betweenWrites(limits))
    const seen = results.flatMap(({ rows }) => rows).find((row) => row.xid !== undefined)
    if (seen?.xid === xid) return null
    return ended(kind, new Error(`another transaction, ${seen?.xid ?? 'none'}, is there instead of ${xid}`))
  } catch (error) {
    return afterTheCall(error, kind)
  }
}

/** What a write threw, by what it was. */
function toWriteFailure(error: unknown, kind: string): WriteFailedError {
  const thrown = error instanceof WriteFailedError ? error.cause : error
  if (error instanceof WriteFailedError && error.failure !== 'threw') return error
  const code = sqlStateOf(thrown)
  if (code === REFUSED_COMMIT) {
    return new WriteFailedError('refused-commit', kind, `${reasonOf(thrown)}. ${NO_ENDING}`, thrown)
  }
  if (code === READ_ONLY_TRANSACTION || NO_TRANSACTION.includes(code ?? '')) return ended(kind, thrown)
  if (code === IN_FAILED_TRANSACTION) return aborted(kind, thrown)
  if (thrown instanceof Error && /Transaction query already complete/.test(thrown.message)) {
    return ended(kind, thrown)
  }
  return new WriteFailedError('threw', kind, reasonOf(thrown), thrown)
}

/** It threw, and the transaction is gone as well. */
function withoutTransaction(error: unknown, { kind, cause }: WriteFailedError): WriteFailedError {
  const code = sqlStateOf(error)
  if (NO_TRANSACTION.includes(code ?? '')) return ended(kind, cause)
  return new WriteFailedError('session-lost', kind, reasonOf(cause ?? error), cause)
}

/** What became of the transaction while a write said that all was well. */
function afterTheCall(error: unknown, kind: string): WriteFailedError {
  const code = sqlStateOf(error)
  if (code === IN_FAILED_TRANSACTION) return aborted(kind, error)
  if (NO_TRANSACTION.includes(code ?? '')) return ended(kind, error)
  if (code === null && error instanceof Error && /already complete/.test(error.message)) {
    return ended(kind, error)
  }
  if (isOfTheServer(error)) return new WriteFailedError('session-lost', kind, reasonOf(error), error)
  const what = `its session could not be made ready for the next write: ${reasonOf(error)}`
  return new WriteFailedError('unusable-session', kind, what, error)
}

const NO_ENDING = "COMMIT and ROLLBACK are confirmd's: remove them from the handler"

function ended(kind: string, cause: unknown): WriteFailedError {
  const detail = `it ended the database transaction that it was given (${reasonOf(cause)}). ${NO_ENDING}`
  return new WriteFailedError('ended-transaction', kind, detail, cause)
}

function aborted(kind: string, cause: unknown): WriteFailedError {
  const detail =
    'a statement of it failed and the error was swallowed, or the statement was not awaited; use a savepoint (trx.transaction) around what may fail'
  return new WriteFailedError('aborted-transaction', kind, detail, cause)
}

/** Why a COMMIT with the business write of one transaction failed. */
export function toCommitFailure(error: unknown, kind: string): WriteFailedError {
  const code = sqlStateOf(error)
  const failureOf = (): WriteFailure => {
    if (code === IN_FAILED_TRANSACTION) return 'aborted-transaction'
    if (code === null || isOfTheServer(error)) return 'session-lost'
    return code.startsWith('23') ? 'constraint' : 'threw'
  }
  const failure = failureOf()
  if (failure === 'aborted-transaction') return aborted(kind, error)
  return new WriteFailedError(failure, kind, reasonOf(error), error)
}
