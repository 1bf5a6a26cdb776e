import type { Knex } from 'knex'

/** All that a schema holds but rows, in an order of its own: columns, indexes, constraints and functions. */
export async function catalogOf(db: Knex, schema: string): Promise<readonly unknown[]> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `SELECT 'column' AS what, concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default,
              is_identity, is_generated, generation_expression) AS text
       FROM information_schema.columns WHERE table_schema = :schema
     UNION ALL
     SELECT 'index', pg_get_indexdef(indexrelid) || ' ' || indisvalid
       FROM pg_index JOIN pg_class AS c ON c.oid = indrelid WHERE c.relnamespace = to_regnamespace(:schema)
     UNION ALL
     SELECT 'constraint', concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
       FROM pg_constraint WHERE connamespace = to_regnamespace(:schema) AND contype <> 'n'
     UNION ALL
     SELECT 'option', concat_ws(' ', relname, reloptions::text)
       FROM pg_class WHERE relnamespace = to_regnamespace(:schema) AND reloptions IS NOT NULL
     UNION ALL
     SELECT 'function', pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = to_regnamespace(:schema)
     ORDER BY 1, 2`,
    { schema },
  )
  return rows
}
