/**
 * Events get their number in the feed after their commit, so that no reader sees a gap. The previous release goes on
 * writing events; `announced_at` stays for its prune.
 */

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
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
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
