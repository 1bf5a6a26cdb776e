import type { Knex } from 'knex'

interface SchemaParams {
  readonly schema?: string
}

/** The schema that a pool was opened for; its transactions have it too. */
export function schemaOf(db: Knex): string {
  const { schema } = db.userParams as SchemaParams
  if (schema === undefined) throw new Error('the pool was opened without a schema')
  return schema
}

/** A table of ours, for knex's query builder. */
export function qualified(db: Knex, table: string): string {
  return `${schemaOf(db)}.${table}`
}

/** @param table with its schema */
export async function hasTable(db: Knex, table: string): Promise<boolean> {
  const { rows } = await db.raw<{ rows: { found: boolean }[] }>(
    'SELECT to_regclass(:table) IS NOT NULL AS found',
    {
      table,
    },
  )
  return rows[0]?.found ?? false
}

export async function hasSchema(db: Knex): Promise<boolean> {
  const { rows } = await db.raw<{ rows: { found: boolean }[] }>(
    'SELECT to_regnamespace(:schema) IS NOT NULL AS found',
    { schema: schemaOf(db) },
  )
  return rows[0]?.found ?? false
}
