/**
 * A number of the feed belongs to an epoch, which ends when the database is not the one any more that gave it: restored,
 * promoted or copied.
 */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  const sql = (text) => knex.raw(text, { schema: knex.userParams.schema })
  await sql(`
    CREATE TABLE :schema:.feed_epochs (
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
  await sql(
    'CREATE UNIQUE INDEX feed_epochs_open ON :schema:.feed_epochs ((true)) WHERE last_sequence IS NULL',
  )
  await sql(`
    INSERT INTO :schema:.feed_epochs (epoch, first_sequence, system_identifier, timeline, database_oid, outbox_oid)
    SELECT 0, 1, system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), d.oid,
           ':schema:.outbox'::regclass::oid
      FROM pg_control_system(), pg_database AS d WHERE d.datname = current_database()
  `)
}
