/** New tables only: the previous release runs on beside them. */
/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE webhooks (
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
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    )
  `)
  // A delivery is of an event of the outbox, or of a test that is stored with it.
  await knex.raw(`
    CREATE TABLE webhook_deliveries (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
      position bigint REFERENCES outbox ON DELETE CASCADE,
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
  await knex.raw(`
    CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at)
      WHERE status = 'pending'
  `)
  await knex.raw('CREATE INDEX webhook_deliveries_log ON webhook_deliveries (webhook_id, id)')
  // What a pruned event takes along is found by this.
  await knex.raw('CREATE INDEX webhook_deliveries_event ON webhook_deliveries (position)')
  await knex.raw(`
    CREATE TABLE webhook_attempts (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      delivery_id bigint NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
      attempted_at timestamptz NOT NULL,
      duration_ms integer NOT NULL,
      status_code integer,
      error text
    )
  `)
  await knex.raw('CREATE INDEX webhook_attempts_delivery ON webhook_attempts (delivery_id, id)')
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw('DROP TABLE webhook_attempts, webhook_deliveries, webhooks')
}
