import { readdir } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import type { Knex } from 'knex'
import type { ConcurrentIndexes } from './concurrent-indexes.ts'

/** Almost all migrations are of this form. The schema of our tables is `knex.userParams.schema`. */
interface InTransaction {
  readonly config?: { readonly transaction?: true }
  up(knex: Knex.Transaction): Promise<void>
}

/** For indexes of tables that may be large: they are built while the tables are written to, which no transaction can do. */
interface Concurrent {
  readonly config: { readonly transaction: false }
  up(indexes: ConcurrentIndexes): Promise<void>
}

/** What a file of the folder exports. */
export type Migration = InTransaction | Concurrent

export function isConcurrent(migration: Migration): migration is Concurrent {
  return migration.config?.transaction === false
}

const EXTENSION = '.js'

/** The names of the migrations, in the order in which they run. */
export async function listMigrations(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(EXTENSION)).sort()
}

export async function loadMigration(folder: string, name: string): Promise<Migration> {
  return (await import(pathToFileURL(`${folder}/${name}`).href)) as Migration
}
