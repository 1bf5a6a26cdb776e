import type { Knex } from 'knex'
import type { LimitedSession } from './database.ts'
import type { WriteLimits } from './write-limits.ts'

/** What of a connection is used here; knex types its own as `any`. */
interface Connection extends LimitedSession {
  query(sql: string): Promise<unknown>
  /** What the client keeps of its own settings; it reads them at each query. */
  readonly connectionParameters: { query_timeout: number | false }
  /** Set, knex replaces the connection instead of handing it out, and warns with this reason. */
  __knex__disposed?: string
  end(): Promise<void>
}

interface ConnectionPool {
  acquireConnection(): Promise<Connection>
  releaseConnection(connection: Connection): Promise<void>
}

/**
 * Takes back what a business write may have changed of its session, inside a transaction or out of it, and the session's
 * limits with it: they must be set again in the same message. `DISCARD ALL`
 * would do more: it forgets the prepared statements, and can't run in a transaction.
 * Source: PostgreSQL documentation, DISCARD.
 */
export const RESET_SESSION = [
  'SET SESSION AUTHORIZATION DEFAULT',
  'RESET ALL',
  'CLOSE ALL',
  'UNLISTEN *',
  'SELECT pg_advisory_unlock_all()',
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
].join('; ')

/**
 * A statement that runs after a business write has ended the transaction by itself is not part of it any more, and is
 * committed by itself. So outside the transaction the session is read-only: such a statement is refused.
 */
export const READ_ONLY_OUTSIDE = 'SET default_transaction_read_only = on'

/**
 * Refuses every COMMIT that confirmd did not announce: a cursor WITH HOLD is read at COMMIT, before anything is committed,
 * and this one calls a function that raises an error then. A deferred constraint trigger was tried; SET CONSTRAINTS ALL
 * IMMEDIATE, by which a careful business write checks its own constraints early, sets it off as well.
 * Source: PostgreSQL documentation, DECLARE; PreCommit_Portals in portalmem.c.
 */
export const GUARD_COMMIT = 'DECLARE confirmd_guard CURSOR WITH HOLD FOR SELECT :schema:.refuse_commit()'

/** For a transaction in which nothing is to be written after all. */
export const RELEASE_GUARD = 'CLOSE confirmd_guard'

/** The first statements of the transaction; answer with the process id of the session. */
export const READ_WRITE_INSIDE = `SET TRANSACTION READ WRITE; ${GUARD_COMMIT}; SELECT pg_backend_pid() AS pid`

/**
 * Runs one transaction on a session that is made ready for code that is not ours, and cleaned before anybody else uses
 * it. A session on which something failed is not used again.
 */
export async function withWriteSession<T>(
  db: Knex,
  limits: WriteLimits,
  work: (trx: Knex.Transaction) => Promise<T>,
): Promise<T> {
  const pool = db.client as ConnectionPool
  const connection = await pool.acquireConnection()
  const { connectionParameters } = connection
  const { query_timeout: usualTimeoutMs } = connectionParameters
  let isClean = false
  try {
    await connection.query(`${READ_ONLY_OUTSIDE}; ${limits.sql}`)
    if (usualTimeoutMs) connectionParameters.query_timeout = limits.queryTimeoutMs
    const result = await transact(db, connection, work)
    await connection.query(`${RESET_SESSION}; ${connection.sessionLimits}`)
    isClean = true
    return result
  } finally {
    connectionParameters.query_timeout = usualTimeoutMs
    if (!isClean) {
      connection.__knex__disposed = 'a business write failed on the session, which is replaced'
      void connection.end().catch(() => undefined)
    }
    await pool.releaseConnection(connection)
  }
}

/** knex rejects with why its ROLLBACK failed, if it did, instead of with why there was one. */
async function transact<T>(
  db: Knex,
  connection: Connection,
  work: (trx: Knex.Transaction) => Promise<T>,
): Promise<T> {
  let failure: { readonly reason: unknown } | null = null
  try {
    return await db.transaction(
      (trx) =>
        work(trx).catch((reason: unknown) => {
          failure = { reason }
          throw reason
        }),
      { connection },
    )
  } catch (error) {
    const { reason } = (failure as { readonly reason: unknown } | null) ?? { reason: error }
    throw reason
  }
}
