import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { type BlockerWatch, createBlockerWatch } from './blocker-watch.ts'
import { type ConcurrentIndexes, concurrentIndexes } from './concurrent-indexes.ts'
import { openDatabase } from './database.ts'
import { DEADLOCK_DETECTED } from './deadlock.ts'
import { isConcurrent, listMigrations, loadMigration } from './migration-files.ts'
import { takeMigrationLock, tryMigrationLock } from './migration-lock.ts'
import { hasSchema, hasTable, qualified } from './schema.ts'
import { raw } from './statement.ts'
import { sqlStateOf } from './statement-errors.ts'

export interface MigrationRun {
  readonly url: string
  /** The schema of the tables; made if it is not there. */
  readonly schema: string
  readonly folder: string
  /** Told what is waited for. */
  readonly say: (message: string) => void
  /** Done first, while nobody else migrates: brings what an older version left behind to where the migrations begin. */
  readonly upgrade?: (migrator: Migrator) => Promise<readonly string[]>
  /** If left out, the usual ones. */
  readonly lockPolicy?: LockPolicy
}

/** What an upgrade works with. */
export interface Migrator {
  readonly db: Knex
  readonly say: (message: string) => void
  /** All of the work or nothing of it; tried again where a lock is not to be had. */
  inTransaction(name: string, work: (trx: Knex.Transaction) => Promise<void>): Promise<void>
}

/** Where the names of the migrations that ran are kept, in the format of knex. */
export const MIGRATIONS_TABLE = 'migrations'

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

/**
 * Runs the migrations of a folder that a database does not have yet; returns their names. It may be killed at any moment
 * and run again: a migration and the note that it ran are one transaction, and what can't be in one may be repeated.
 */
export async function runMigrations(run: MigrationRun): Promise<string[]> {
  // One connection: the lock is its session's. The watch needs another, as this one is busy while it waits.
  const open = (applicationName: string) =>
    openDatabase({ url: run.url, schema: run.schema, poolMax: 1, applicationName, statementLimit: 'none' })
  const db = open('confirmd migrate')
  const watching = open('confirmd migrate: watch')
  try {
    await endWithClient(db)
    await takeMigrationLock(db, run.say)
    const watch = createBlockerWatch(watching, run.say)
    const inTransaction: Migrator['inTransaction'] = (name, work) =>
      runInTransaction(db, watch, run, name, work)
    const ran = [...((await run.upgrade?.({ db, say: run.say, inTransaction })) ?? [])]
    await createMigrationsTable(db)
    for (const name of await missingMigrations(db, run.folder)) {
      const migration = await loadMigration(run.folder, name)
      if (isConcurrent(migration)) {
        await runConcurrent(db, watch, name, migration.up)
      } else {
        await inTransaction(name, async (trx) => {
          await migration.up(trx)
          await noteMigrations(trx, [name])
        })
      }
      ran.push(name)
    }
    return ran
  } finally {
    await Promise.all([db.destroy(), watching.destroy()])
  }
}

/** The names of a folder that a database does not have yet, in their order. */
export async function missingMigrations(db: Knex, folder: string): Promise<readonly string[]> {
  const ran = new Set(await ranMigrations(db))
  return (await listMigrations(folder)).filter((name) => !ran.has(name))
}

/** The names that a database has, in the order in which they ran. */
export async function ranMigrations(db: Knex): Promise<readonly string[]> {
  const table = qualified(db, MIGRATIONS_TABLE)
  if (!(await hasTable(db, table))) return []
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

/** The schema and the table of the names; both may be there. */
export async function createMigrationsTable(db: Knex): Promise<void> {
  // CREATE SCHEMA wants a right that a user whose schema was made for it may lack.
  if (!(await hasSchema(db))) await raw(db, 'CREATE SCHEMA :schema:')
  await raw(
    db,
    `CREATE TABLE IF NOT EXISTS :schema:.${MIGRATIONS_TABLE} (
       id serial PRIMARY KEY, name varchar(255), batch integer, migration_time timestamptz)`,
  )
}

async function runInTransaction(
  db: Knex,
  watch: BlockerWatch,
  { say, lockPolicy = LOCK_POLICY }: MigrationRun,
  name: string,
  work: (trx: Knex.Transaction) => Promise<void>,
): Promise<void> {
  const { timeoutMs, pauseMs, maxAttempts } = lockPolicy
  const attempt = () =>
    db.transaction(async (trx) => {
      await trx.raw(`SET LOCAL lock_timeout = ${timeoutMs}`)
      const pid = await heldBy(trx)
      await watch.during(name, pid, () => work(trx))
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
  name: string,
  up: (indexes: ConcurrentIndexes) => Promise<void>,
): Promise<void> {
  const pid = await heldBy(db)
  await watch.during(name, pid, () => up(concurrentIndexes(db)))
  await noteMigrations(db, [name])
}

/** The session that works must have the lock: a connection that was lost is replaced by one that has none. */
async function heldBy(db: Knex): Promise<number> {
  if (!(await tryMigrationLock(db))) {
    throw new Error("the connection was lost, and another migration has begun; run 'confirmd migrate' again")
  }
  const { rows } = await db.raw<{ rows: { pid: number }[] }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid ?? 0
}

/** Notes that migrations ran. */
export async function noteMigrations(db: Knex, names: readonly string[]): Promise<void> {
  await db(qualified(db, MIGRATIONS_TABLE)).insert(
    names.map((name) => ({ name, batch: 1, migration_time: db.fn.now() })),
  )
}
