import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { describeBlocker } from './blockers.ts'

/**
 * An advisory lock of the session that migrates: it ends with that session, however that ends. A lock that is a row, as
 * knex has it, stays behind when the process is killed.
 */
const KEY = "hashtextextended('confirmd migrate', 0)"
const POLL_INTERVAL_MS = 500

/** Resolves when this session has the lock; says for whom it waits. A session may take it again. */
export async function takeMigrationLock(db: Knex, say: (message: string) => void): Promise<void> {
  let said = false
  while (!(await tryMigrationLock(db))) {
    const [holder] = await readMigrationLockHolders(db)
    if (holder !== undefined && !said) {
      say(`another migration runs: ${holder}; waiting until it has ended`)
      said = true
    }
    await sleep(POLL_INTERVAL_MS)
  }
}

export async function tryMigrationLock(db: Knex): Promise<boolean> {
  const { rows } = await db.raw<{ rows: { taken: boolean }[] }>(
    `SELECT pg_try_advisory_lock(${KEY}) AS taken`,
  )
  return rows[0]?.taken ?? false
}

/** Who migrates this database now, in words. */
export async function readMigrationLockHolders(db: Knex): Promise<readonly string[]> {
  const { rows } = await db.raw<{
    rows: { pid: number; application: string; state: string | null; since: Date | null }[]
  }>(
    `SELECT a.pid, a.application_name AS application, a.state, a.xact_start AS since
       FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (CAST(l.classid AS bigint) << 32) | CAST(l.objid AS bigint) = ${KEY}`,
  )
  return rows.map(describeBlocker)
}
