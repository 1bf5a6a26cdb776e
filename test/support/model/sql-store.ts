import type { Knex } from 'knex'
import type { Transaction } from '../../../src/domain/transaction.ts'
import { leaseDue } from '../../../src/store/lease.ts'
import { createStore } from '../../../src/store/store.ts'
import { isoTime } from '../../../src/store/time.ts'
import { type TransactionRow, toTransaction } from '../../../src/store/transaction-row.ts'
import type { ModelStore } from './model-store.ts'

/**
 * The real store on a real PostgreSQL, for the same histories. Its clock can't be put forward, so time passes
 * by moving every due time back. The tables are emptied first; `createOrderTables` must have made the orders.
 */
export async function openSqlStore(db: Knex): Promise<ModelStore<Knex.Transaction>> {
  await db.raw('TRUNCATE transaction_history, outbox, webhook_deliveries, webhook_attempts, orders')
  let passedMs = 0

  async function transactions(): Promise<Transaction[]> {
    const rows: TransactionRow[] = await db('transaction_history').orderBy('id')
    return rows.map(toTransaction)
  }

  return {
    ports: { ...createStore(db), leaseDue: (options) => leaseDue(db, options) },
    writeOrder: async (trx, { id, txHash, status }: Transaction) => {
      await trx('orders').insert({ transaction_id: id, tx_hash: txHash, status })
    },
    clock: () => new Date(),
    elapsedMs: () => Date.now() + passedMs,
    advance: async (ms) => {
      passedMs += ms
      const columns = ['next_check_at', 'leased_until', 'stalled_at', 'parked_at', 'created_at', 'settled_at']
      const moved = columns.map((column) => `${column} = ${column} - :ms * interval '1 millisecond'`)
      await db.raw(`UPDATE transaction_history SET ${moved.join(', ')}, evidence = ${MOVED_EVIDENCE}`, { ms })
    },
    transactions,
    state: async () => {
      const orders: { tx_hash: string }[] = await db('orders').select('tx_hash')
      const events: { transaction_id: string; status: string }[] = await db('outbox').orderBy('position')
      return {
        transactions: await transactions(),
        orders: orders.map((order) => order.tx_hash),
        events: events.map(({ transaction_id: transactionId, status }) => ({ transactionId, status })),
      }
    },
  }
}

/** The evidence with the times of its checks moved back by `:ms`. */
const MOVED_EVIDENCE = `(
  SELECT jsonb_agg((
    SELECT jsonb_agg(sighting || jsonb_build_object('at', ${isoTime("(CAST(sighting->>'at' AS timestamptz) - :ms * interval '1 millisecond')")}))
      FROM jsonb_array_elements(checks) AS sighting))
    FROM jsonb_array_elements(evidence) AS checks)`
