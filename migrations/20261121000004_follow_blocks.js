/** A table of its own, and room in the pages for updates that touch no index; the previous release runs on beside. */
/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE chain_cursors (
      chain text PRIMARY KEY,
      block_number bigint NOT NULL,
      attempts integer NOT NULL DEFAULT 0,
      updated_at timestamptz NOT NULL DEFAULT now()
    )
  `)
  await knex.raw('ALTER TABLE transaction_history SET (fillfactor = 85)')
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw('ALTER TABLE transaction_history RESET (fillfactor)')
  await knex.raw('DROP TABLE chain_cursors')
}
