import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { listDependents } from './dependents.ts'
import { createMigrationsTable, MIGRATIONS_TABLE, type Migrator, noteMigrations } from './migration-runner.ts'
import { schemaOf } from './schema.ts'
import { raw } from './statement.ts'

/** What the module of the upgrade exports. */
interface Upgrade {
  readonly from: readonly string[]
  readonly replaces: readonly string[]
  readonly tables: readonly string[]
  up(knex: Knex.Transaction): Promise<void>
}

const NAME = 'the upgrade from version 0.1'
const MODULE = new URL('../../migrations/upgrades/from-0.1.js', import.meta.url)
/** Version 0.1 kept its tables in the first schema of the search path. */
const MIGRATIONS_OF_FIRST_VERSION = 'confirmd_migrations'
/** A process of 0.1 reports every 5 s. */
const ALIVE_S = 15

/**
 * Moves the tables of version 0.1 to our schema and brings them to where the migrations begin; resolves with the
 * migrations that it stands for. Nothing is changed while a process of 0.1 runs, or where a name is taken.
 */
export async function upgradeFirstVersion({ db, say, inTransaction }: Migrator): Promise<readonly string[]> {
  const schema = await findSchemaOfFirstVersion(db)
  if (schema === null) return []
  const upgrade = (await import(fileURLToPath(MODULE))) as Upgrade
  await demandAllMigrations(db, schema, upgrade)
  await demandNoProcess(db, schema)
  await demandFreeNames(db, schema, upgrade)
  for (const dependent of await listDependents(db, schema, upgrade.tables)) say(dependent)
  await inTransaction(NAME, async (trx) => {
    await createMigrationsTable(trx)
    // Its indexes, sequences and constraints come along.
    for (const table of upgrade.tables) {
      await trx.raw('ALTER TABLE ?? SET SCHEMA ??', [`${schema}.${table}`, schemaOf(trx)])
    }
    for (const table of [MIGRATIONS_OF_FIRST_VERSION, `${MIGRATIONS_OF_FIRST_VERSION}_lock`]) {
      await trx.raw('DROP TABLE IF EXISTS ??', [`${schema}.${table}`])
    }
    await upgrade.up(trx)
    await noteMigrations(trx, upgrade.replaces)
  })
  say(await describeUpgraded(db, schema))
  return upgrade.replaces
}

async function findSchemaOfFirstVersion(db: Knex): Promise<string | null> {
  const { rows } = await db.raw<{ rows: { schema: string }[] }>(
    `SELECT relnamespace::regnamespace::text AS schema FROM pg_class WHERE oid = to_regclass(:table)`,
    { table: MIGRATIONS_OF_FIRST_VERSION },
  )
  return rows[0]?.schema ?? null
}

async function demandAllMigrations(db: Knex, schema: string, { from }: Upgrade): Promise<void> {
  const rows: { name: string }[] = await db(`${schema}.${MIGRATIONS_OF_FIRST_VERSION}`).select('name')
  const names = rows.map(({ name }) => name)
  const missing = from.filter((name) => !names.includes(name))
  const unknown = names.filter((name) => !from.includes(name))
  if (missing.length > 0) {
    throw new Error(
      `the tables in the schema ${schema} are of an early build of 0.1, which lacks ${missing.join(', ')}. ` +
        "Run 'confirmd migrate' of version 0.1 first. Nothing was changed",
    )
  }
  if (unknown.length > 0) {
    throw new Error(
      `the tables in the schema ${schema} are of a build between two versions, with ${unknown.join(', ')}, from ` +
        'which there is no way to this one. Nothing was changed',
    )
  }
}

async function demandNoProcess(db: Knex, schema: string): Promise<void> {
  const { rows } = await db.raw<{ rows: { name: string }[] }>(
    `SELECT role || ' on ' || host || ', process ' || pid AS name FROM :from:.processes
      WHERE seen_at > now() - :aliveS * interval '1 second'
      ORDER BY 1`,
    { from: schema, aliveS: ALIVE_S },
  )
  if (rows.length === 0) return
  throw new Error(
    `processes of version 0.1 are running: ${rows.map(({ name }) => name).join('; ')}. Stop them all, since they ` +
      `can't work on the new schema, and run 'confirmd migrate' again; one that was killed counts for ${ALIVE_S} s. ` +
      'Nothing was changed',
  )
}

async function demandFreeNames(db: Knex, schema: string, { tables }: Upgrade): Promise<void> {
  const target = schemaOf(db)
  if (target === schema) return
  const { rows } = await db.raw<{ rows: { name: string }[] }>(
    `SELECT relname AS name FROM pg_class
      WHERE relnamespace = to_regnamespace(:target) AND relname = ANY(CAST(:names AS text[])) ORDER BY 1`,
    { target, names: [...tables, MIGRATIONS_TABLE] },
  )
  if (rows.length === 0) return
  throw new Error(
    `the schema ${target} has tables of these names already: ${rows.map(({ name }) => name).join(', ')}. Set ` +
      'DATABASE_SCHEMA to another schema, or move them. Nothing was changed',
  )
}

async function describeUpgraded(db: Knex, schema: string): Promise<string> {
  const { rows } = await raw<{ rows: { replaced: string; expired: string }[] }>(
    db,
    `SELECT count(*) FILTER (WHERE status = 'replaced') AS replaced, count(*) FILTER (WHERE status = 'expired') AS expired
       FROM :schema:.transaction_history WHERE status IN ('replaced', 'expired')`,
  )
  const { replaced = '0', expired = '0' } = rows[0] ?? {}
  return (
    `the tables were moved from the schema ${schema} to ${schemaOf(db)}. ${replaced} transactions are replaced and ` +
    `${expired} expired by the rules of 0.1, which needed less evidence: 'confirmd recheck --status replaced' and ` +
    "'--status expired' check each once more"
  )
}
