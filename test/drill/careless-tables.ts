import type { Knex } from 'knex'

/** The tables of the handlers of drill 19, beside `orders`. */
export async function createCarelessTables(db: Knex): Promise<void> {
  await db.raw('CREATE TABLE unclean (tx_hash text NOT NULL, changes text[] NOT NULL)')
  await db.raw('CREATE TABLE careless_writes (tx_hash text NOT NULL, step text NOT NULL)')
  await db.raw('CREATE TABLE careless_keys (key text PRIMARY KEY)')
  await db('careless_keys').insert({ key: 'taken' })
  await db.raw('CREATE TABLE careless_parents (id integer PRIMARY KEY)')
  await db.raw(
    `CREATE TABLE careless_children (
       parent integer NOT NULL REFERENCES careless_parents DEFERRABLE INITIALLY DEFERRED)`,
  )
  // Without a log of its own, 10^5 rows stay well within HANDLER_TIMEOUT_MS on a busy machine.
  await db.raw('CREATE UNLOGGED TABLE careless_bulk (tx_hash text NOT NULL)')
}
