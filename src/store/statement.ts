import type { Knex } from 'knex'
import { schemaOf } from './schema.ts'

/** Values by their names, as `:name` in a statement; `:schema:` is the schema of our tables, as an identifier. */
type Bindings = Readonly<Record<string, unknown>>

/** Runs a statement. Each table in it is written `:schema:.name`, since the search path is not ours. */
export async function raw<T>(db: Knex, sql: string, bindings: Bindings = {}): Promise<T> {
  return (await db.raw(sql, withSchema(db, bindings))) as T
}

/**
 * Runs a statement that each connection prepares once: its plan is made once, not each time. The name is the
 * statement's for as long as a connection lives, so its text must never differ under one name.
 */
export async function prepared<R>(db: Knex, name: string, sql: string, bindings: Bindings): Promise<R[]> {
  const { rows } = await db.raw<{ rows: R[] }>(sql, withSchema(db, bindings)).options({ name })
  return rows
}

function withSchema(db: Knex, bindings: Bindings): Knex.ValueDict {
  return { ...bindings, schema: schemaOf(db) } as Knex.ValueDict
}
