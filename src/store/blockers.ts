import type { Knex } from 'knex'

/** A session for whose lock or snapshot another one waits. */
export interface Blocker {
  readonly pid: number
  readonly application: string
  /** Null where the user may not see it. */
  readonly state: string | null
  /** When its transaction began. */
  readonly since: Date | null
}

/** For whom a session waits at this moment; empty if it does not wait. */
export async function readBlockers(db: Knex, pid: number): Promise<readonly Blocker[]> {
  const { rows } = await db.raw<{ rows: Blocker[] }>(
    `SELECT pid, application_name AS application, state, xact_start AS since
       FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids(:pid)) ORDER BY xact_start, pid`,
    { pid },
  )
  return rows
}

export function describeBlocker({ pid, application, state, since }: Blocker): string {
  const known = [application, state, since && `in a transaction since ${since.toISOString()}`]
  const facts = known.filter((fact) => fact !== null && fact !== '')
  return `process ${pid}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`
}
