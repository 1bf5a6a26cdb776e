/**
 * A number of the feed belongs to an epoch, which ends when the database is not the one any more that gave it: restored,
 * promoted or copied. What was announced is kept for each exchange and chain, what was pruned for each chain.
 */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw('ALTER TABLE outbox ADD COLUMN chain text')
  await knex.raw(`UPDATE outbox SET chain = data ->> 'chain' WHERE subject = 'transaction'`)
  await knex.raw('CREATE INDEX outbox_chain_sequence ON outbox (chain, sequence) WHERE sequence IS NOT NULL')
  await knex.raw(`
    ALTER TABLE event_cursors
      ADD COLUMN prefix text NOT NULL DEFAULT '',
      ADD COLUMN chain text NOT NULL DEFAULT '',
      DROP CONSTRAINT event_cursors_pkey,
      ADD PRIMARY KEY (name, prefix, chain)
  `)
  // An exchange that was told of nothing: the first that comes is told of what is new.
  await knex.raw(`DELETE FROM event_cursors WHERE name = 'announced' AND sequence = 0`)
  await knex.raw(`
    CREATE TABLE feed_epochs (
      epoch integer PRIMARY KEY,
      first_sequence bigint NOT NULL,
      last_sequence bigint,
      system_identifier bigint NOT NULL,
      timeline text NOT NULL,
      database_oid oid NOT NULL,
      outbox_oid oid NOT NULL,
      began_at timestamptz NOT NULL DEFAULT now()
    )
  `)
  await knex.raw('CREATE UNIQUE INDEX feed_epochs_open ON feed_epochs ((true)) WHERE last_sequence IS NULL')
  await knex.raw(`
    INSERT INTO feed_epochs (epoch, first_sequence, system_identifier, timeline, database_oid, outbox_oid)
    SELECT 0, 1, system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), d.oid, 'outbox'::regclass::oid
      FROM pg_control_system(), pg_database AS d WHERE d.datname = current_database()
  `)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw('DROP TABLE feed_epochs')
  await knex.raw(`DELETE FROM event_cursors WHERE prefix <> '' OR chain <> ''`)
  await knex.raw(`
    ALTER TABLE event_cursors
      DROP CONSTRAINT event_cursors_pkey,
      DROP COLUMN prefix,
      DROP COLUMN chain,
      ADD PRIMARY KEY (name)
  `)
  await knex.raw(
    `INSERT INTO event_cursors (name, sequence) VALUES ('announced', 0), ('pruned', 0) ON CONFLICT DO NOTHING`,
  )
  await knex.raw('DROP INDEX outbox_chain_sequence')
  await knex.raw('ALTER TABLE outbox DROP COLUMN chain')
}
