import knex from 'knex'
import { logged } from './run-log.js'
import { inspectSession } from './well-behaved.js'

const own = knex({ client: 'pg', connection: process.env['DATABASE_URL'], pool: { min: 0, max: 2 } })
const met = new Set()

/** Commits its row by itself, over a connection of its own; one in eight then throws at its first try. */
export const outsideWrite = logged({
  kind: 'order',
  async confirmed(context) {
    await inspectSession(context)
    const { id, txHash, status } = context.transaction
    await own('orders').insert({ transaction_id: id, tx_hash: txHash, status })
    const isFirst = !met.has(txHash)
    met.add(txHash)
    if (isFirst && /[01]$/.test(txHash)) throw new Error('after its own commit')
  },
})
