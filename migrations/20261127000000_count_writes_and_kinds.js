/**
 * What a verdict needs besides the receipt: whether its business write ran, the kinds that were ever handled here, and the
 * function that refuses every COMMIT that confirmd did not announce, so that a business write's own COMMIT commits nothing.
 */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE transaction_history
      ADD COLUMN write_state text CHECK (write_state IN ('done', 'none')),
      ADD COLUMN replaced_by text,
      ADD COLUMN absent_checks integer NOT NULL DEFAULT 0,
      ADD COLUMN park_code text
  `)
  await knex.raw('ALTER TABLE chain_cursors ADD COLUMN block_hash text')
  await knex.raw(`
    CREATE TABLE handled_kinds (
      kind text NOT NULL,
      chain text NOT NULL,
      first_seen_at timestamptz NOT NULL DEFAULT now(),
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (kind, chain)
    )
  `)
  // What is checked slowly, and what is parked, whatever its status.
  await knex.raw('DROP INDEX transaction_history_watched')
  await knex.raw(`
    CREATE INDEX transaction_history_watched ON transaction_history (next_check_at)
      WHERE status IN ('stalled', 'expired', 'replaced') AND next_check_at IS NOT NULL AND parked_at IS NULL
  `)
  await knex.raw('DROP INDEX transaction_history_parked')
  await knex.raw(`
    CREATE INDEX transaction_history_parked ON transaction_history (parked_at) WHERE parked_at IS NOT NULL
  `)
  await knex.raw(`
    UPDATE transaction_history SET park_code = 'write-failed' WHERE parked_at IS NOT NULL
  `)
  await knex.raw(`
    CREATE FUNCTION confirmd_refuse_commit() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('confirmd.committing', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        RAISE EXCEPTION 'a business write must leave COMMIT to confirmd' USING ERRCODE = 'CFD01';
      END IF;
    END
    $$
  `)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw('DROP FUNCTION confirmd_refuse_commit()')
  await knex.raw('DROP INDEX transaction_history_parked')
  await knex.raw(`
    CREATE INDEX transaction_history_parked ON transaction_history (parked_at)
      WHERE status = 'pending' AND parked_at IS NOT NULL
  `)
  await knex.raw('DROP INDEX transaction_history_watched')
  await knex.raw(`
    CREATE INDEX transaction_history_watched ON transaction_history (next_check_at)
      WHERE status IN ('stalled', 'expired') AND next_check_at IS NOT NULL
  `)
  await knex.raw('DROP TABLE handled_kinds')
  await knex.raw('ALTER TABLE chain_cursors DROP COLUMN block_hash')
  await knex.raw(`
    ALTER TABLE transaction_history
      DROP COLUMN write_state,
      DROP COLUMN replaced_by,
      DROP COLUMN absent_checks,
      DROP COLUMN park_code
  `)
}
