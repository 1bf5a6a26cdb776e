/** Built beside the work that goes on, so outside a transaction. The previous release lists without it, more slowly. */
export const config = { transaction: false }

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  // One that was interrupted leaves an index that is not valid, and IF NOT EXISTS would be content with it.
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS transaction_history_unconfirmed')
  // Most rows are confirmed, and every settle would write to it for them.
  await knex.raw(`
    CREATE INDEX CONCURRENTLY transaction_history_unconfirmed ON transaction_history (status, id)
      WHERE status <> 'confirmed'
  `)
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS transaction_history_status')
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw(
    'CREATE INDEX CONCURRENTLY IF NOT EXISTS transaction_history_status ON transaction_history (status, id)',
  )
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS transaction_history_unconfirmed')
}
