/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE outbox (
      position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      id uuid NOT NULL UNIQUE,
      transaction_id uuid NOT NULL,
      status text NOT NULL,
      kind text NOT NULL,
      data jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      announced_at timestamptz
    )
  `)
  await knex.raw(`CREATE INDEX outbox_unannounced ON outbox (position) WHERE announced_at IS NULL`)
  await knex.raw(`CREATE INDEX outbox_transaction ON outbox (transaction_id)`)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw('DROP TABLE outbox')
}
