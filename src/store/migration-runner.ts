import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { type BlockerWatch, createBlockerWatch } from './blocker-watch.ts'
import { type ConcurrentIndexes, concurrentIndexes } from './concurrent-indexes.ts'
import { openDatabase } from './database.ts'
import { isConcurrent, listMigrations, loadMigration } from './migration-files.ts'
import { takeMigrationLock, tryMigrationLock } from './migration-lock.ts'
import { sqlStateOf } from './statement-errors.ts'

export interface MigrationRun {
  readonly url: string
  readonly folder: string
  /** Where the names of the migrations that ran are kept, in the format of knex. */
  readonly table: string
  /** Told what is waited for. */
  readonly say: (message: string) => void
  /** If left out, the usual ones. */
  readonly lockPolicy?: LockPolicy
}

export interface LockPolicy {
  /** How long a statement waits for a lock. All that comes later for the same table waits behind it for as long. */
  readonly timeoutMs: number
  /** Between two attempts, so that what waited goes on. */
  readonly pauseMs: number
  readonly maxAttempts: number
}

/** Some eight minutes in all. */
const LOCK_POLICY: LockPolicy = { timeoutMs: 2_000, pauseMs: 3_000, maxAttempts: 100 }

/** The server looks so often whether the process that migrates is still there. */
const CLIENT_CHECK_MS = 500

const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK_DETECTED = '40P01'

/**
 * Runs the migrations of a folder that a database does not have yet; returns their names. It may be killed at any moment
 * and run again: a migration and the note that it ran are one transaction, and what can't be in one may be repeated.
 */
export async function runMigrations(run: MigrationRun): Promise<string[]> {
  // One connection: the lock is its session's. The watch needs another, as this one is busy while it waits.
  const open = (applicationName: string) =>
    openDatabase({ url: run.url, poolMax: 1, applicationName, statementLimit: 'none' })
  const db = open('confirmd migrate')
  const watching = open('confirmd migrate: watch')
  try {
    await endWithClient(db)
    await takeMigrationLock(db, run.say)
    await createTable(db, run.table)
    const watch = createBlockerWatch(watching, run.say)
    const ran: string[] = []
    for (const name of await missingMigrations(db, run)) {
      const migration = await loadMigration(run.folder, name)
      if (isConcurrent(migration)) await runConcurrent(db, watch, run, name, migration.up)
      else await runInTransaction(db, watch, run, name, migration.up)
      ran.push(name)
    }
    return ran
  } finally {
    await Promise.all([db.destroy(), watching.destroy()])
  }
}

/** The names of a folder that a database does not have yet, in their order. */
export async function missingMigrations(
  db: Knex,
  { folder, table }: Pick<MigrationRun, 'folder' | 'table'>,
): Promise<readonly string[]> {
  const ran = new Set(await ranMigrations(db, table))
  return (await listMigrations(folder)).filter((name) => !ran.has(name))
}

/** The names that a database has, in the order in which they ran. */
export async function ranMigrations(db: Knex, table: string): Promise<readonly string[]> {
  if (!(await db.schema.hasTable(table))) return []
  const rows: { name: string }[] = await db(table).select('name').orderBy('id')
  return rows.map(({ name }) => name)
}

/**
 * A process that was killed may leave a statement that goes on in the server, with its locks, until it is done. With
 * this the server ends it. PostgreSQL before 14 and some systems don't know it: there the next run waits for it.
 */
async function endWithClient(db: Knex): Promise<void> {
  await db.raw(`SET client_connection_check_interval = ${CLIENT_CHECK_MS}`).catch(() => undefined)
}

async function createTable(db: Knex, table: string): Promise<void> {
  await db.raw(
    `CREATE TABLE IF NOT EXISTS ?? (
       id serial PRIMARY KEY, name varchar(255), batch integer, migration_time timestamptz)`,
    [table],
  )
  // Version 0.1 locked by a row of this table.
  await db.raw('DROP TABLE IF EXISTS ??', [`${table}_lock`])
}

async function runInTransaction(
  db: Knex,
  watch: BlockerWatch,
  { table, say, lockPolicy = LOCK_POLICY }: MigrationRun,
  name: string,
  up: (trx: Knex.Transaction) => Promise<void>,
): Promise<void> {
  const { timeoutMs, pauseMs, maxAttempts } = lockPolicy
  const attempt = () =>
    db.transaction(async (trx) => {
      await trx.raw(`SET LOCAL lock_timeout = ${timeoutMs}`)
      const pid = await heldBy(trx)
      await watch.during(name, pid, () => up(trx))
      await note(trx, table, name)
    })
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt()
    } catch (error) {
      if (![LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED].includes(sqlStateOf(error) ?? '')) throw error
      const holder = watch.last() ?? 'a session that has ended'
      if (attempts >= maxAttempts) throw gaveUp(name, attempts, timeoutMs, holder, error)
      if (attempts === 1) {
        say(`${name} did not get a lock within ${timeoutMs} ms; it lets the others go first and tries again`)
      }
      await sleep(pauseMs)
    }
  }
}

function gaveUp(name: string, attempts: number, timeoutMs: number, holder: string, cause: unknown): Error {
  return new Error(
    `${name} did not get a lock in ${attempts} attempts of ${timeoutMs} ms: it is held by ${holder}. Nothing of this ` +
      "migration was changed. Wait until that has ended, or end it, and run 'confirmd migrate' again",
    { cause },
  )
}

async function runConcurrent(
  db: Knex,
  watch: BlockerWatch,
  { table }: MigrationRun,
  name: string,
  up: (indexes: ConcurrentIndexes) => Promise<void>,
): Promise<void> {
  const pid = await heldBy(db)
  await watch.during(name, pid, () => up(concurrentIndexes(db)))
  await note(db, table, name)
}

/** The session that works must have the lock: a connection that was lost is replaced by one that has none. */
async function heldBy(db: Knex): Promise<number> {
  if (!(await tryMigrationLock(db))) {
    throw new Error("the connection was lost, and another migration has begun; run 'confirmd migrate' again")
  }
  const { rows } = await db.raw<{ rows: { pid: number }[] }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid ?? 0
}

async function note(db: Knex, table: string, name: string): Promise<void> {
  await db(table).insert({ name, batch: 1, migration_time: db.fn.now() })
}
