/**
 * The events. One gets its number in the feed after its commit, so that no reader sees a gap. What was announced is kept
 * for each exchange and chain, what was pruned for each chain.
 */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  const sql = (text) => knex.raw(text, { schema: knex.userParams.schema })
  await sql(`
    CREATE TABLE :schema:.outbox (
      position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      sequence bigint,
      id uuid NOT NULL,
      subject text NOT NULL DEFAULT 'transaction',
      transaction_id uuid,
      chain text,
      status text NOT NULL,
      kind text NOT NULL,
      data jsonb NOT NULL,
      trace_parent text,
      created_at timestamptz NOT NULL DEFAULT now()
    )
  `)
  await sql('CREATE INDEX outbox_transaction ON :schema:.outbox (transaction_id)')
  await sql('CREATE INDEX outbox_unnumbered ON :schema:.outbox (position) WHERE sequence IS NULL')
  await sql('CREATE UNIQUE INDEX outbox_sequence ON :schema:.outbox (sequence) WHERE sequence IS NOT NULL')
  await sql(
    'CREATE INDEX outbox_chain_sequence ON :schema:.outbox (chain, sequence) WHERE sequence IS NOT NULL',
  )
  await sql('CREATE INDEX outbox_created ON :schema:.outbox USING brin (created_at)')
  await sql(`
    CREATE TABLE :schema:.event_cursors (
      name text NOT NULL,
      prefix text NOT NULL DEFAULT '',
      chain text NOT NULL DEFAULT '',
      sequence bigint NOT NULL,
      holder uuid,
      held_until timestamptz,
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (name, prefix, chain)
    )
  `)
  await sql(`INSERT INTO :schema:.event_cursors (name, sequence) VALUES ('numbered', 0), ('pruned', 0)`)
}
