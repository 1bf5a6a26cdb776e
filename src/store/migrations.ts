import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { upgradeFirstVersion } from './first-version.ts'
import { listMigrations } from './migration-files.ts'
import { readMigrationLockHolders } from './migration-lock.ts'
import { missingMigrations, ranMigrations, runMigrations } from './migration-runner.ts'
import { DEFAULT_SCHEMA } from './schema-name.ts'

const FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url))

export interface MigrateOptions {
  /** The schema of the tables; `confirmd` if left out. */
  readonly schema?: string
  /** Told what is waited for, and what has to be known. */
  readonly say?: (message: string) => void
}

/** Brings the schema up to this release; returns the names of the migrations it ran. */
export async function migrate(
  url: string,
  { schema = DEFAULT_SCHEMA, say = () => undefined }: MigrateOptions = {},
): Promise<string[]> {
  return runMigrations({ url, schema, folder: FOLDER, say, upgrade: upgradeFirstVersion })
}

/** The migrations of this release that the database does not have yet. Only reads. */
export async function pendingMigrations(db: Knex): Promise<readonly string[]> {
  return missingMigrations(db, FOLDER)
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
  const names = await ranMigrations(db)
  return {
    missing: own.filter((name) => !names.includes(name)),
    unknown: names.filter((name) => !own.includes(name)),
    running: await readMigrationLockHolders(db),
  }
}
