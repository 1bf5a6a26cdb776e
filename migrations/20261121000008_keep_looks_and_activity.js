/**
 * What was seen and when: the last looks in the row, which a wait rewrites anyway; counts by the minute for the page's
 * plots; what each process says of itself; and the trace that a transaction is part of. The previous release knows none of them and goes on.
 */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  await knex.raw('ALTER TABLE transaction_history ADD COLUMN looks jsonb, ADD COLUMN trace_parent text')
  await knex.raw('ALTER TABLE outbox ADD COLUMN trace_parent text')
  await knex.raw(`
    CREATE TABLE activity (
      minute timestamptz NOT NULL,
      measure text NOT NULL,
      label text NOT NULL,
      count bigint NOT NULL,
      PRIMARY KEY (minute, measure, label)
    )
  `)
  await knex.raw(`
    CREATE TABLE processes (
      id uuid PRIMARY KEY,
      role text NOT NULL,
      host text NOT NULL,
      pid integer NOT NULL,
      version text NOT NULL,
      started_at timestamptz NOT NULL,
      seen_at timestamptz NOT NULL,
      state jsonb NOT NULL
    )
  `)
}

/** @param {import('knex').Knex} knex */
export async function down(knex) {
  await knex.raw('DROP TABLE processes')
  await knex.raw('DROP TABLE activity')
  await knex.raw('ALTER TABLE outbox DROP COLUMN trace_parent')
  await knex.raw('ALTER TABLE transaction_history DROP COLUMN looks, DROP COLUMN trace_parent')
}
