/**
 * The webhooks and what is sent to them. What is still to be done of a deleted or resumed webhook is kept in its row, so
 * that it is done in batches and goes on after a crash.
 */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  const sql = (text) => knex.raw(text, { schema: knex.userParams.schema })
  await sql(`
    CREATE TABLE :schema:.webhooks (
      id uuid PRIMARY KEY,
      url text NOT NULL,
      description text NOT NULL DEFAULT '',
      kinds text[],
      statuses text[],
      secret text NOT NULL,
      previous_secret text,
      previous_secret_until timestamptz,
      enabled boolean NOT NULL DEFAULT true,
      disabled_reason text,
      failing_since timestamptz,
      deleted_at timestamptz,
      resume_after bigint,
      resume_until bigint,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    )
  `)
  // A delivery is of an event of the outbox, or of a test that is stored with it.
  await sql(`
    CREATE TABLE :schema:.webhook_deliveries (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      webhook_id uuid NOT NULL REFERENCES :schema:.webhooks ON DELETE CASCADE,
      position bigint REFERENCES :schema:.outbox ON DELETE CASCADE,
      test jsonb,
      status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
      attempts integer NOT NULL DEFAULT 0,
      next_attempt_at timestamptz DEFAULT now(),
      delivered_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (webhook_id, position),
      CHECK (num_nonnulls(position, test) = 1)
    )
  `)
  await sql(`
    CREATE INDEX webhook_deliveries_due ON :schema:.webhook_deliveries (webhook_id, next_attempt_at)
      WHERE status = 'pending'
  `)
  await sql('CREATE INDEX webhook_deliveries_log ON :schema:.webhook_deliveries (webhook_id, id)')
  // What a pruned event takes along is found by this.
  await sql('CREATE INDEX webhook_deliveries_event ON :schema:.webhook_deliveries (position)')
  await sql(`
    CREATE TABLE :schema:.webhook_attempts (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      delivery_id bigint NOT NULL REFERENCES :schema:.webhook_deliveries ON DELETE CASCADE,
      attempted_at timestamptz NOT NULL,
      duration_ms integer NOT NULL,
      status_code integer,
      error text
    )
  `)
  await sql('CREATE INDEX webhook_attempts_delivery ON :schema:.webhook_attempts (delivery_id, id)')
}
