import knex, { type Knex } from 'knex'
import { DEFAULT_SCHEMA } from './schema-name.ts'
import { keepServerMessage } from './statement-errors.ts'

export interface DatabaseOptions {
  readonly url: string
  readonly poolMax: number
  /** The schema of our tables; `confirmd` if left out. */
  readonly schema?: string
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string
  /** Told of lost and failed connections; the pool goes on by itself. */
  readonly onWarning?: (message: string) => void
  /**
   * `none` is for commands and migrations: their statements may take longer than those of a role, and a default that
   * the database or the user has for `statement_timeout` does not count. If left out, the limits of a role.
   */
  readonly statementLimit?: 'role' | 'none'
}

const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 30_000
/** The client's own limit ends a wait on a connection whose other end is gone. */
const QUERY_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000
const IDLE_IN_TRANSACTION_MS = 2 * STATEMENT_TIMEOUT_MS

/** Opens a pool; no connection is made before the first query. End it with `destroy`. */
export function openDatabase(options: DatabaseOptions): Knex {
  const { url, poolMax, applicationName, onWarning = () => undefined, statementLimit = 'role' } = options
  const { schema = DEFAULT_SCHEMA } = options
  // knex would write to standard output, between the lines of the log.
  const warn = (message: unknown) => onWarning(message instanceof Error ? message.message : String(message))
  const db = knex({
    client: 'pg',
    connection: {
      connectionString: url,
      application_name: applicationName,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      ...(statementLimit === 'role' ? { query_timeout: QUERY_TIMEOUT_MS } : {}),
      keepAlive: true,
    },
    pool: { min: 0, max: poolMax, afterCreate: prepareSession(sessionLimits(statementLimit)) },
    log: { warn, error: warn, deprecate: warn, debug: warn },
    acquireConnectionTimeout: CONNECT_TIMEOUT_MS,
    // Its errors would carry the bound values, payloads among them, into the log.
    compileSqlOnError: false,
  })
  db.userParams = { schema }
  return db
}

/** A connection of a pool of ours. */
export interface LimitedSession {
  /** The statements that set the server's limits; a RESET ALL undoes them. */
  sessionLimits: string
}

/**
 * By SQL, since PgBouncer refuses these settings as parameters of a new connection, also in session mode; and where it
 * is told to ignore them, nobody would set them.
 * Source: PgBouncer documentation, ignore_startup_parameters.
 */
function sessionLimits(statementLimit: 'role' | 'none'): string {
  const statementMs = statementLimit === 'role' ? STATEMENT_TIMEOUT_MS : 0
  return `SET statement_timeout = ${statementMs}; SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`
}

/**
 * What a session answers after which it is of no more use: it writes no more since the server is a standby now, or the
 * server shuts down. After a failover such a session would stay as it is, and every statement on it would fail.
 */
const SPOILT_SQLSTATES = new Set(['25006', '57P01', '57P02', '57P03', '57P05'])

/** Of a `pg` connection; its types say nothing of the protocol's messages, nor of knex's mark of what it must not hand out. */
interface RawConnection extends LimitedSession {
  readonly connection: {
    on(event: 'errorMessage', listener: (error: { code?: string; message?: string }) => void): void
  }
  __knex__disposed?: string
  query(sql: string, done: (error: Error | null) => void): void
  end(): Promise<void>
}

type AfterCreate = (raw: RawConnection, done: (error: Error | null, raw: RawConnection) => void) => void

/** Sets the limits of a new session. */
function prepareSession(limits: string): AfterCreate {
  return (raw, done) => {
    heedErrors(raw)
    raw.sessionLimits = limits
    raw.query(limits, (error) => {
      // knex forgets a connection that is refused here, without ending it.
      if (error) void raw.end().catch(() => undefined)
      done(error, raw)
    })
  }
}

/** Keeps what the server said of each error, and ends a session that is of no more use; knex replaces it then. */
function heedErrors(raw: RawConnection): void {
  raw.connection.on('errorMessage', (error) => {
    const { code } = error
    keepServerMessage(error)
    if (code === undefined || !SPOILT_SQLSTATES.has(code)) return
    // Marked at once: knex knows of the end only when it has come, and would hand it out until then.
    raw.__knex__disposed = `the session answered ${code} and is replaced`
    void raw.end().catch(() => undefined)
  })
}

/** Rejects unless the database answers. */
export async function pingDatabase(db: Knex): Promise<void> {
  await db.raw('SELECT 1')
}

/** The location of a database without user and password, for logs. */
export function describeDatabase(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url)
    return `${hostname}:${port || 5432}${pathname}`
  } catch {
    return 'a database given by an unusual DATABASE_URL'
  }
}
