/** The kinds that were ever handled here, and what a chain's name means. */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  const sql = (text) => knex.raw(text, { schema: knex.userParams.schema })
  await sql(`
    CREATE TABLE :schema:.handled_kinds (
      kind text NOT NULL,
      chain text NOT NULL,
      first_seen_at timestamptz NOT NULL DEFAULT now(),
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (kind, chain)
    )
  `)
  await sql(`
    CREATE TABLE :schema:.chains (
      name text PRIMARY KEY,
      chain_id bigint NOT NULL,
      anchor_number bigint NOT NULL,
      anchor_hash text NOT NULL,
      bound_at timestamptz NOT NULL DEFAULT now()
    )
  `)
}
