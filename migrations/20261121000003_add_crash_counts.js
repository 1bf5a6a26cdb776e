/** Columns with a constant default: instant, and the previous release runs on beside them. */
/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE transaction_history
      ADD COLUMN lease_count integer NOT NULL DEFAULT 0,
      ADD COLUMN suspicions integer NOT NULL DEFAULT 0
  `)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw(`
    ALTER TABLE transaction_history
      DROP COLUMN lease_count,
      DROP COLUMN suspicions
  `)
}
