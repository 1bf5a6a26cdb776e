import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'

const DIRECTORY = fileURLToPath(new URL('../../migrations', import.meta.url))
const EXTENSION = '.js'
const TABLE = 'confirmd_migrations'

const migrationConfig: Knex.MigratorConfig = {
  directory: DIRECTORY,
  loadExtensions: [EXTENSION],
  tableName: TABLE,
  // A newer release may have migrated already while this one still runs or is rolled back to.
  disableMigrationsListValidation: true,
}

/** Brings the schema up to this release; returns the names of the migrations it ran. */
export async function migrate(db: Knex): Promise<string[]> {
  const [, ran] = (await db.migrate.latest(migrationConfig)) as [number, string[]]
  return ran
}

/** The migrations of this release that the database does not have yet. */
export async function pendingMigrations(db: Knex): Promise<string[]> {
  const [, pending] = (await db.migrate.list(migrationConfig)) as [unknown, { file: string }[]]
  return pending.map(({ file }) => file)
}

/** How the schema of a database and this release stand to each other. */
export interface MigrationState {
  /** Of this release, and not in the database. */
  readonly missing: readonly string[]
  /** In the database, and not of this release: a newer one brought them. */
  readonly unknown: readonly string[]
  /** Whether somebody migrates now, or was interrupted. */
  readonly isLocked: boolean
}

/** Only reads: knex would make its tables first. */
export async function readMigrationState(db: Knex): Promise<MigrationState> {
  const own = (await readdir(DIRECTORY)).filter((name) => name.endsWith(EXTENSION)).sort()
  const hasTable = await db.schema.hasTable(TABLE)
  const ran: { name: string }[] = hasTable ? await db(TABLE).select('name').orderBy('id') : []
  const locked = hasTable ? await db(`${TABLE}_lock`).where({ is_locked: 1 }) : []
  const names = ran.map(({ name }) => name)
  return {
    missing: own.filter((name) => !names.includes(name)),
    unknown: names.filter((name) => !own.includes(name)),
    isLocked: locked.length > 0,
  }
}
