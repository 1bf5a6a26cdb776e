import type { Knex } from 'knex'

/**
 * What else in the database names our tables and what a move to another schema means for it, a sentence each: foreign
 * keys and views follow, since they hold the table itself; the text of a function does not.
 */
export async function listDependents(
  db: Knex,
  schema: string,
  tables: readonly string[],
): Promise<readonly string[]> {
  const { rows } = await db.raw<{
    rows: { kind: 'key' | 'view' | 'function'; name: string; uses: string }[]
  }>(
    `WITH own AS (
       SELECT oid, relname FROM pg_class
        WHERE relnamespace = to_regnamespace(:schema) AND relname = ANY(CAST(:tables AS text[]))
     )
     SELECT 'key' AS kind, c.conname || ' of ' || c.conrelid::regclass::text AS name, own.relname AS uses
       FROM pg_constraint AS c JOIN own ON own.oid = c.confrelid
      WHERE c.contype = 'f' AND c.conrelid NOT IN (SELECT oid FROM own)
     UNION
     SELECT 'view', r.ev_class::regclass::text, own.relname
       FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid JOIN own ON own.oid = d.refobjid
      WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND r.ev_class <> own.oid
     UNION
     SELECT 'function', p.oid::regprocedure::text, own.relname
       FROM pg_proc AS p JOIN own ON p.prosrc ~ ('\\m' || own.relname || '\\M')
      WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      ORDER BY 1, 2, 3`,
    { schema, tables: [...tables] },
  )
  return rows.map(({ kind, name, uses }) => {
    if (kind === 'key') return `the foreign key ${name} refers to ${uses} and follows it to its new schema`
    if (kind === 'view') return `the view ${name} reads ${uses} and follows it to its new schema`
    return `the function ${name} names ${uses}: change its text to the new schema, or it fails where it relied on the old one`
  })
}
