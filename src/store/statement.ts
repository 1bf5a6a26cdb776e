import type { Knex } from 'knex'

/**
 * Runs a statement that each connection prepares once: its plan is made once, not each time. The name is the
 * statement's for as long as a connection lives, so its text must never differ under one name.
 */
export async function prepared<R>(
  db: Knex,
  name: string,
  sql: string,
  bindings: Readonly<Record<string, unknown>>,
): Promise<R[]> {
  const { rows } = await db.raw<{ rows: R[] }>(sql, bindings as Knex.ValueDict).options({ name })
  return rows
}
