import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { listMigrations } from './migration-files.ts'
import { readMigrationLockHolders } from './migration-lock.ts'
import { missingMigrations, ranMigrations, runMigrations } from './migration-runner.ts'

const FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url))
const TABLE = 'confirmd_migrations'

/** Brings the schema up to this release; returns the names of the migrations it ran. */
export async function migrate(
  url: string,
  say: (message: string) => void = () => undefined,
): Promise<string[]> {
  return runMigrations({ url, folder: FOLDER, table: TABLE, say })
}

/** The migrations of this release that the database does not have yet. Only reads. */
export async function pendingMigrations(db: Knex): Promise<readonly string[]> {
  return missingMigrations(db, { folder: FOLDER, table: TABLE })
}

/** How the schema of a database and this release stand to each other. */
export interface MigrationState {
  /** Of this release, and not in the database. */
  readonly missing: readonly string[]
  /** In the database, and not of this release: a newer one brought them. */
  readonly unknown: readonly string[]
  /** Who migrates now, in words. */
  readonly running: readonly string[]
}

export async function readMigrationState(db: Knex): Promise<MigrationState> {
  const own = await listMigrations(FOLDER)
  const names = await ranMigrations(db, TABLE)
  return {
    missing: own.filter((name) => !names.includes(name)),
    unknown: names.filter((name) => !own.includes(name)),
    running: await readMigrationLockHolders(db),
  }
}
