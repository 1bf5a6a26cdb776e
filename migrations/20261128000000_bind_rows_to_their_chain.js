/** What a chain's name means, indexes that find the rows of one chain, and a row for each kind that wants a transaction. */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE chains (
      name text PRIMARY KEY,
      chain_id bigint NOT NULL,
      anchor_number bigint NOT NULL,
      anchor_hash text NOT NULL,
      bound_at timestamptz NOT NULL DEFAULT now()
    )
  `)
  await knex.raw(`
    ALTER TABLE transaction_history
      DROP CONSTRAINT transaction_history_chain_tx_hash_key,
      ADD CONSTRAINT transaction_history_key UNIQUE (chain, tx_hash, kind)
  `)
  await knex.raw(
    'DROP INDEX transaction_history_due, transaction_history_watched, transaction_history_parked',
  )
  await knex.raw(`
    CREATE INDEX transaction_history_due ON transaction_history (chain, next_check_at)
      WHERE status = 'pending' AND parked_at IS NULL
  `)
  await knex.raw(`
    CREATE INDEX transaction_history_watched ON transaction_history (chain, next_check_at)
      WHERE status IN ('stalled', 'expired', 'replaced') AND next_check_at IS NOT NULL AND parked_at IS NULL
  `)
  await knex.raw(`
    CREATE INDEX transaction_history_parked ON transaction_history (chain, parked_at) WHERE parked_at IS NOT NULL
  `)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw(
    'DROP INDEX transaction_history_due, transaction_history_watched, transaction_history_parked',
  )
  await knex.raw(`
    CREATE INDEX transaction_history_parked ON transaction_history (parked_at) WHERE parked_at IS NOT NULL
  `)
  await knex.raw(`
    CREATE INDEX transaction_history_watched ON transaction_history (next_check_at)
      WHERE status IN ('stalled', 'expired', 'replaced') AND next_check_at IS NOT NULL AND parked_at IS NULL
  `)
  await knex.raw(`
    CREATE INDEX transaction_history_due ON transaction_history (next_check_at)
      WHERE status = 'pending' AND parked_at IS NULL
  `)
  await knex.raw(`
    ALTER TABLE transaction_history
      DROP CONSTRAINT transaction_history_key,
      ADD CONSTRAINT transaction_history_chain_tx_hash_key UNIQUE (chain, tx_hash)
  `)
  await knex.raw('DROP TABLE chains')
}
