/** What is registered and what became of it, and how far each chain is followed. */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  const sql = (text) => knex.raw(text, { schema: knex.userParams.schema })
  await sql(`
    CREATE TABLE :schema:.transaction_history (
      id uuid PRIMARY KEY,
      chain text NOT NULL,
      tx_hash text NOT NULL CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'),
      kind text NOT NULL,
      payload jsonb NOT NULL,
      sender text,
      nonce bigint,
      correlation_id text,
      trace_parent text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),

      status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'confirmed', 'failed', 'replaced', 'stalled', 'expired')),
      is_confirmed boolean GENERATED ALWAYS AS (status = 'confirmed') STORED,
      settled_at timestamptz,
      failure_code text,
      failure_name text,
      replaced_by text,
      block_number bigint,
      block_hash text,
      transaction_index integer,
      gas_used numeric,
      effective_gas_price numeric,
      receipt jsonb,
      write_state text CHECK (write_state IN ('done', 'none')),

      next_check_at timestamptz DEFAULT now(),
      leased_until timestamptz,
      lease_count integer NOT NULL DEFAULT 0,
      last_checked_at timestamptz,
      retry_count integer NOT NULL DEFAULT 0,
      consecutive_errors integer NOT NULL DEFAULT 0,
      absent_checks integer NOT NULL DEFAULT 0,
      handler_attempts integer NOT NULL DEFAULT 0,
      last_error text,
      stalled_at timestamptz,
      parked_at timestamptz,
      park_code text,
      seen_sender text,
      seen_nonce bigint,
      evidence jsonb,
      looks jsonb,

      CONSTRAINT transaction_history_key UNIQUE (chain, tx_hash, kind)
    )
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
  // Most rows are confirmed, and every settle would write to it for them.
  await sql(`
    CREATE INDEX transaction_history_unconfirmed ON :schema:.transaction_history (status, id)
      WHERE status <> 'confirmed'
  `)
  await sql('CREATE INDEX transaction_history_kind ON :schema:.transaction_history (kind, id)')
  await sql(`
    CREATE TABLE :schema:.chain_cursors (
      chain text PRIMARY KEY,
      block_number bigint NOT NULL,
      block_hash text,
      updated_at timestamptz NOT NULL DEFAULT now()
    )
  `)
}
