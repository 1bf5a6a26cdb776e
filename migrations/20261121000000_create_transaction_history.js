/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE transaction_history (
      id uuid PRIMARY KEY,
      chain text NOT NULL,
      tx_hash text NOT NULL CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'),
      kind text NOT NULL,
      payload jsonb NOT NULL,
      status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'confirmed', 'failed', 'replaced', 'stalled', 'expired')),
      is_confirmed boolean GENERATED ALWAYS AS (status = 'confirmed') STORED,
      retry_count integer NOT NULL DEFAULT 0,
      handler_attempts integer NOT NULL DEFAULT 0,
      consecutive_errors integer NOT NULL DEFAULT 0,
      next_check_at timestamptz DEFAULT now(),
      leased_until timestamptz,
      last_checked_at timestamptz,
      parked_at timestamptz,
      stalled_at timestamptz,
      last_error text,
      failure_code text,
      failure_name text,
      block_number bigint,
      block_hash text,
      transaction_index integer,
      gas_used numeric,
      effective_gas_price numeric,
      receipt jsonb,
      sender text,
      nonce bigint,
      correlation_id text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      settled_at timestamptz,
      UNIQUE (chain, tx_hash)
    )
  `)
  await knex.raw(`
    CREATE INDEX transaction_history_due ON transaction_history (next_check_at)
      WHERE status = 'pending' AND parked_at IS NULL
  `)
  await knex.raw(`
    CREATE INDEX transaction_history_watched ON transaction_history (next_check_at)
      WHERE status IN ('stalled', 'expired') AND next_check_at IS NOT NULL
  `)
  await knex.raw(`
    CREATE INDEX transaction_history_parked ON transaction_history (parked_at)
      WHERE status = 'pending' AND parked_at IS NOT NULL
  `)
  await knex.raw(`CREATE INDEX transaction_history_status ON transaction_history (status, id)`)
  await knex.raw(`CREATE INDEX transaction_history_kind ON transaction_history (kind, id)`)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw('DROP TABLE transaction_history')
}
