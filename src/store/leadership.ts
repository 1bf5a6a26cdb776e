import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const CONNECT_TIMEOUT_MS = 10_000
const INTERVAL_MS = 1_000
const END_TIMEOUT_MS = 1_000
/** The server notices within seconds that the leader's machine is gone, and gives the lock to the next. */
const KEEPALIVES =
  'SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3'

/**
 * Works as the one leader of a purpose among all processes on this database, by an advisory lock on a connection
 * of its own: waits for the lead, does the work, and gives the lead back when the work ends. The work's signal
 * aborts when `signal` does or the connection is lost, for then somebody else may lead. Resolves after that;
 * rejects if the database can't be reached, or with what the work rejected with.
 * @param purpose the name of what is led, the same in all processes
 */
export async function lead(
  url: string,
  purpose: string,
  work: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'confirmd leader',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  })
  const ending = new AbortController()
  const end = () => ending.abort()
  client.on('error', end)
  client.on('end', end)
  signal.addEventListener('abort', end)
  let working: Promise<void> | null = null
  try {
    await unless(ending.signal, client.connect())
    // Not as an option of the connection: PgBouncer refuses those.
    await unless(ending.signal, client.query(KEEPALIVES))
    while (!ending.signal.aborted) {
      // While it leads, the same question shows that the connection lives: its holder may take a lock again.
      const mayLead = await unless(ending.signal, tryLock(client, purpose))
      if (mayLead && !working) {
        working = work(ending.signal).finally(end)
        // It is awaited below; until then its failure must not count as unhandled.
        working.catch(() => undefined)
      }
      await sleep(INTERVAL_MS, undefined, { signal: ending.signal }).catch(() => undefined)
    }
  } finally {
    end()
    signal.removeEventListener('abort', end)
    // The lock ends with the connection, so that must end however the work did.
    await working?.catch(() => undefined)
    await Promise.race([
      client.end().catch(() => undefined),
      sleep(END_TIMEOUT_MS, undefined, { ref: false }),
    ])
    await working
  }
}

/** Waits no longer when the signal aborts: a database that is away must not hold up the stop. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T | null> {
  const aborted = new AbortController()
  const waiting = new Promise<null>((resolve) => {
    if (signal.aborted) resolve(null)
    signal.addEventListener('abort', () => resolve(null), { signal: aborted.signal })
  })
  try {
    work.catch(() => undefined)
    return await Promise.race([work, waiting])
  } finally {
    aborted.abort()
  }
}

/**
 * A standby gives such locks as well, and they mean nothing there. A server that was the primary and came back as a
 * standby would keep its leader for good.
 */
async function tryLock(client: pg.Client, purpose: string): Promise<boolean> {
  const { rows } = await client.query<{ leads: boolean | null }>(
    `SELECT CASE WHEN NOT current_setting('transaction_read_only')::boolean
                 THEN pg_try_advisory_lock(hashtextextended($1, 0)) END AS leads`,
    [`confirmd ${purpose}`],
  )
  const leads = rows[0]?.leads ?? null
  if (leads === null)
    throw new Error('the database can only be read, as a standby can; who leads is decided on the primary')
  return leads
}
