/** What PostgreSQL and its client allow a session of business writes. */
export interface WriteLimits {
  /** Sets the server's limits; after a RESET ALL again. */
  readonly sql: string
  /** The client's own limit of one statement. */
  readonly queryTimeoutMs: number
}

/** As other sessions have them. */
const LEAST_STATEMENT_MS = 30_000
const LEAST_IDLE_MS = 60_000
/** The handler's own limit ends a write, with its reason; the session's only what that does not reach. */
const BEYOND_MS = 5_000

/** A handler may use its time for one statement, or wait for something else between two. */
export function writeLimits(handlerTimeoutMs: number): WriteLimits {
  const statementMs = Math.max(LEAST_STATEMENT_MS, handlerTimeoutMs + BEYOND_MS)
  const idleMs = Math.max(LEAST_IDLE_MS, handlerTimeoutMs + BEYOND_MS)
  return {
    sql: `SET statement_timeout = ${statementMs}; SET idle_in_transaction_session_timeout = ${idleMs}`,
    queryTimeoutMs: statementMs + BEYOND_MS,
  }
}
