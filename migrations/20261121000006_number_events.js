/**
 * Events get their number in the feed after their commit, so that no reader sees a gap. Built beside the work that goes
 * on, so outside a transaction. The previous release goes on writing events; `announced_at` stays for its prune.
 */
export const config = { transaction: false }

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE outbox
      ADD COLUMN IF NOT EXISTS sequence bigint,
      ADD COLUMN IF NOT EXISTS subject text NOT NULL DEFAULT 'transaction',
      ALTER COLUMN transaction_id DROP NOT NULL,
      DROP CONSTRAINT IF EXISTS outbox_id_key
  `)
  await knex.raw(`
    CREATE TABLE IF NOT EXISTS event_cursors (
      name text PRIMARY KEY,
      sequence bigint NOT NULL,
      holder uuid,
      held_until timestamptz,
      updated_at timestamptz NOT NULL DEFAULT now()
    )
  `)
  await knex.raw(`
    INSERT INTO event_cursors (name, sequence)
    VALUES ('numbered', 0), ('announced', 0), ('pruned', 0)
    ON CONFLICT DO NOTHING
  `)
  // One that was interrupted leaves an index that is not valid, and IF NOT EXISTS would be content with it.
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS outbox_unnumbered')
  await knex.raw('CREATE INDEX CONCURRENTLY outbox_unnumbered ON outbox (position) WHERE sequence IS NULL')
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS outbox_sequence')
  await knex.raw(`
    CREATE UNIQUE INDEX CONCURRENTLY outbox_sequence ON outbox (sequence) WHERE sequence IS NOT NULL
  `)
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS outbox_created')
  await knex.raw('CREATE INDEX CONCURRENTLY outbox_created ON outbox USING brin (created_at)')
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS outbox_unannounced')
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw(
    'CREATE INDEX CONCURRENTLY outbox_unannounced ON outbox (position) WHERE announced_at IS NULL',
  )
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS outbox_created')
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS outbox_sequence')
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS outbox_unnumbered')
  await knex.raw('DROP TABLE event_cursors')
  await knex.raw(`DELETE FROM outbox WHERE transaction_id IS NULL`)
  await knex.raw(`
    ALTER TABLE outbox
      DROP COLUMN sequence,
      DROP COLUMN subject,
      ALTER COLUMN transaction_id SET NOT NULL,
      ADD CONSTRAINT outbox_id_key UNIQUE (id)
  `)
}
