/** Nullable columns without a default: instant, and the previous release runs on beside them. */
/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE transaction_history
      ADD COLUMN seen_sender text,
      ADD COLUMN seen_nonce bigint,
      ADD COLUMN evidence jsonb
  `)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw(`
    ALTER TABLE transaction_history
      DROP COLUMN seen_sender,
      DROP COLUMN seen_nonce,
      DROP COLUMN evidence
  `)
}
