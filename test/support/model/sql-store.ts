import type { Knex } from 'knex'
import type { Transaction } from '../../../src/domain/transaction.ts'
import { leaseDue } from '../../../src/store/lease.ts'
import { createStore } from '../../../src/store/store.ts'
import { type TransactionRow, toTransaction } from '../../../src/store/transaction-row.ts'
import type { SettableClock } from '../settable-clock.ts'
import type { ModelStore, StorePorts } from './model-store.ts'
import type { ChainName } from './processes.ts'

/**
 * The real store on a real PostgreSQL, for the same histories; time passes by its clock. The tables are emptied first;
 * `createOrderTables` must have made the orders.
 */
export async function openSqlStore(db: Knex, clock: SettableClock): Promise<ModelStore<Knex.Transaction>> {
  await db.raw(
    'TRUNCATE confirmd.transaction_history, confirmd.outbox, confirmd.webhook_deliveries, confirmd.webhook_attempts, orders',
  )
  await clock.set(0)
  let passedMs = 0

  async function transactions(): Promise<Transaction[]> {
    const rows: TransactionRow[] = await db('confirmd.transaction_history').orderBy('id')
    return rows.map(toTransaction)
  }

  const openPorts = (chain: ChainName): StorePorts<Knex.Transaction> => ({
    ...createStore(db, { chain }),
    leaseDue: (options) => leaseDue(db, { chain, ...options }),
  })
  const ports = { kaia: openPorts('kaia'), kairos: openPorts('kairos') }

  return {
    portsOf: (chain) => ports[chain],
    writeOrder: async (trx, { id, txHash, status }: Transaction) => {
      await trx('orders').insert({ transaction_id: id, tx_hash: txHash, status })
    },
    clock: () => new Date(Date.now() + passedMs),
    elapsedMs: () => Date.now() + passedMs,
    advance: async (ms) => {
      passedMs += ms
      await clock.set(passedMs)
    },
    transactions,
    state: async () => {
      const orders: string[] = await db('orders').pluck('transaction_id')
      const events: { transaction_id: string; status: string }[] =
        await db('confirmd.outbox').orderBy('position')
      return {
        transactions: await transactions(),
        orders,
        events: events.map(({ transaction_id: transactionId, status }) => ({ transactionId, status })),
      }
    },
  }
}
