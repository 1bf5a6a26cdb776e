import pg from 'pg'

/** What stands between this process and the sessions of PostgreSQL. */
export type Pooling =
  /** Nothing, or what passes a connection on as it is. */
  | { readonly mode: 'none' }
  /** A pooler that keeps one session for each connection. */
  | { readonly mode: 'session' }
  /** A pooler that gives a connection another session for each transaction. */
  | { readonly mode: 'transaction' }
  /** A pooler of which it could not be seen, and why. */
  | { readonly mode: 'unknown'; readonly reason: string }

export const WHAT_NEEDS_SESSIONS =
  'prepared statements, the advisory locks of migrations and of the lead to follow the blocks, time limits, and the ' +
  'clean-up after a business write need the same session from one transaction to the next'
export const HOW_TO_GET_SESSIONS =
  'set pool_mode = session for this database in PgBouncer, or give DATABASE_URL the address of PostgreSQL itself'

const REACH_LIMIT_MS = 10_000
/** A pooler that has no session left lets one wait for longer. */
const HOLD_LIMIT_MS = 3_000
const HOLDERS = 3
/** On a busy pool the same session may come back by chance, now and then. */
const QUESTIONS_PER_HOLDER = 20

/**
 * Finds out whether connections keep their sessions. `transaction` is proved: two connections were seen in one session,
 * or one connection in two, which can't be where each has its own. `session` is not proved, but only not refuted: the
 * session stayed the same while others were taken. Rejects if the database can't be reached.
 */
export async function readPooling(url: string): Promise<Pooling> {
  const clients: pg.Client[] = []
  async function connect(limitMs: number): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'confirmd pooling',
      connectionTimeoutMillis: limitMs,
      query_timeout: limitMs,
    })
    client.on('error', () => undefined)
    clients.push(client)
    await client.connect()
    return client
  }

  try {
    const watched = await connect(REACH_LIMIT_MS)
    const session = await readSession(watched)
    // A pooler makes up the process id that it tells its clients, by which they cancel; PostgreSQL tells its own.
    if (toldProcessId(watched) === session) return { mode: 'none' }
    try {
      for (let held = 0; held < HOLDERS; held++) {
        // Held by a transaction, a session is not given to another connection meanwhile.
        const holder = await connect(HOLD_LIMIT_MS)
        await holder.query('BEGIN')
        if ((await readSession(holder)) === session) return { mode: 'transaction' }
        for (let asked = 0; asked < QUESTIONS_PER_HOLDER; asked++) {
          if ((await readSession(watched)) !== session) return { mode: 'transaction' }
        }
      }
      return { mode: 'session' }
    } catch (error) {
      return { mode: 'unknown', reason: (error as Error).message }
    }
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)))
  }
}

/** Rejects where a pooler takes the sessions away; what can't be seen is allowed. */
export async function demandSessions(url: string): Promise<void> {
  const { mode } = await readPooling(url)
  if (mode !== 'transaction') return
  throw new Error(
    `DATABASE_URL leads to a pooler in transaction mode, by which confirmd does not work: ${WHAT_NEEDS_SESSIONS}; ` +
      HOW_TO_GET_SESSIONS,
  )
}

/** The process id of the session that answers. */
async function readSession(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid
}

/** The types of `pg` do not have it. */
function toldProcessId(client: pg.Client): unknown {
  return (client as pg.Client & { readonly processID?: unknown }).processID
}
