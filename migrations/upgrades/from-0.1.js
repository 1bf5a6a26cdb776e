/**
 * Makes the tables of version 0.1, which are moved to our schema already, those that the migrations in `replaces` create.
 * No process of 0.1 may run beside it.
 */

/** All that 0.1 had. */
export const from = [
  '20261121000000_create_transaction_history.js',
  '20261121000001_create_outbox.js',
  '20261121000002_add_replacement_evidence.js',
  '20261121000003_add_crash_counts.js',
  '20261121000004_follow_blocks.js',
  '20261121000005_smaller_status_index.js',
  '20261121000006_number_events.js',
  '20261121000007_create_webhooks.js',
  '20261121000008_keep_looks_and_activity.js',
]

export const replaces = [
  '20261128000000_create_transactions.js',
  '20261128000001_create_events.js',
  '20261128000002_create_webhooks.js',
  '20261128000003_create_activity.js',
]

/** The tables that are moved. */
export const tables = [
  'transaction_history',
  'chain_cursors',
  'outbox',
  'event_cursors',
  'webhooks',
  'webhook_deliveries',
  'webhook_attempts',
  'activity',
  'processes',
]

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  const sql = (text) => knex.raw(text, { schema: knex.userParams.schema })

  await sql(`
    ALTER TABLE :schema:.transaction_history
      ADD COLUMN write_state text CHECK (write_state IN ('done', 'none')),
      ADD COLUMN replaced_by text,
      ADD COLUMN absent_checks integer NOT NULL DEFAULT 0,
      ADD COLUMN park_code text,
      DROP COLUMN suspicions,
      DROP CONSTRAINT transaction_history_chain_tx_hash_key,
      ADD CONSTRAINT transaction_history_key UNIQUE (chain, tx_hash, kind)
  `)
  await sql('ALTER TABLE :schema:.transaction_history RESET (fillfactor)')
  await sql(`
    UPDATE :schema:.transaction_history SET park_code = 'write-failed' WHERE parked_at IS NOT NULL
  `)
  await sql(`
    DROP INDEX :schema:.transaction_history_due, :schema:.transaction_history_watched, :schema:.transaction_history_parked
  `)
  await sql(`
    CREATE INDEX transaction_history_due ON :schema:.transaction_history (chain, next_check_at)
      WHERE status = 'pending' AND parked_at IS NULL
  `)
  await sql(`
    CREATE INDEX transaction_history_watched ON :schema:.transaction_history (chain, next_check_at)
      WHERE status IN ('stalled', 'expired', 'replaced') AND next_check_at IS NOT NULL AND parked_at IS NULL
  `)
  await sql(`
    CREATE INDEX transaction_history_parked ON :schema:.transaction_history (chain, parked_at)
      WHERE parked_at IS NOT NULL
  `)
  await sql('ALTER TABLE :schema:.chain_cursors DROP COLUMN attempts, ADD COLUMN block_hash text')

  await sql('ALTER TABLE :schema:.outbox ADD COLUMN chain text, DROP COLUMN announced_at')
  await sql(`UPDATE :schema:.outbox SET chain = data ->> 'chain' WHERE subject = 'transaction'`)
  await sql(
    'CREATE INDEX outbox_chain_sequence ON :schema:.outbox (chain, sequence) WHERE sequence IS NOT NULL',
  )
  await sql(`
    ALTER TABLE :schema:.event_cursors
      ADD COLUMN prefix text NOT NULL DEFAULT '',
      ADD COLUMN chain text NOT NULL DEFAULT '',
      DROP CONSTRAINT event_cursors_pkey,
      ADD PRIMARY KEY (name, prefix, chain)
  `)
  // An exchange that was told of nothing: the first that comes is told of what is new.
  await sql(`DELETE FROM :schema:.event_cursors WHERE name = 'announced' AND sequence = 0`)

  await sql(`
    ALTER TABLE :schema:.webhooks
      ADD COLUMN deleted_at timestamptz,
      ADD COLUMN resume_after bigint,
      ADD COLUMN resume_until bigint
  `)
}
