import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'

const migrationConfig: Knex.MigratorConfig = {
  directory: fileURLToPath(new URL('../../migrations', import.meta.url)),
  loadExtensions: ['.js'],
  tableName: 'confirmd_migrations',
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
