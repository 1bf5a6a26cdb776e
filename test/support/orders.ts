import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'

/** The module for `HANDLERS` with the business writes of the tests. */
export const ORDER_HANDLERS = fileURLToPath(new URL('handlers/orders.js', import.meta.url))

/** The tables that they write to and read. No unique key: a doubled write must be seen, not prevented. */
export async function createOrderTables(db: Knex): Promise<void> {
  await db.raw(
    'CREATE TABLE orders (transaction_id uuid NOT NULL, tx_hash text NOT NULL, status text NOT NULL)',
  )
  await db.raw('CREATE TABLE refusals (reason text NOT NULL)')
}

export async function countOrders(db: Knex, txHash: string): Promise<number> {
  const rows = await db('orders').where({ tx_hash: txHash })
  return rows.length
}

export async function eventsOf(
  db: Knex,
  id: unknown,
): Promise<{ status: string; data: { status: string } }[]> {
  return db('confirmd.outbox').where({ transaction_id: id }).orderBy('position').select('status', 'data')
}
