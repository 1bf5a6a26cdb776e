/**
 * What a verdict needs besides the receipt: whether its business write ran, the kinds that were ever handled here, and
 * a trigger that refuses every COMMIT of a verdict that confirmd did not announce, so that a business write's own COMMIT
 * commits nothing. A verdict of 0.1 has no `write_state`, and so is not refused.
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
    CREATE FUNCTION confirmd_refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('confirmd.committing', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        RAISE EXCEPTION 'refused COMMIT: a business write must leave COMMIT to confirmd'
          USING ERRCODE = 'CFD01',
                HINT = 'Remove COMMIT, END and SET CONSTRAINTS ALL from the handler of kind ''' || NEW.kind || '''.';
      END IF;
      RETURN NULL;
    END
    $$
  `)
  await knex.raw(`
    CREATE CONSTRAINT TRIGGER transaction_history_verdict
      AFTER UPDATE ON transaction_history DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW
      WHEN (NEW.write_state IS NOT NULL AND NEW.write_state IS DISTINCT FROM OLD.write_state)
      EXECUTE FUNCTION confirmd_refuse_commit()
  `)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw('DROP TRIGGER transaction_history_verdict ON transaction_history')
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
