/** Counts by the minute for the page's plots, and what each process says of itself. */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  const sql = (text) => knex.raw(text, { schema: knex.userParams.schema })
  await sql(`
    CREATE TABLE :schema:.activity (
      minute timestamptz NOT NULL,
      measure text NOT NULL,
      label text NOT NULL,
      count bigint NOT NULL,
      PRIMARY KEY (minute, measure, label)
    )
  `)
  await sql(`
    CREATE TABLE :schema:.processes (
      id uuid PRIMARY KEY,
      role text NOT NULL,
      host text NOT NULL,
      pid integer NOT NULL,
      version text NOT NULL,
      started_at timestamptz NOT NULL,
      seen_at timestamptz NOT NULL,
      state jsonb NOT NULL
    )
  `)
}
