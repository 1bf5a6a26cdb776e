import { defineHandler } from '../handlers.ts'

/** The business write of the demo: an order for each confirmed transaction. */
export default [
  defineHandler({
    kind: 'order',
    confirmed: async ({ trx, transaction }) => {
      await trx('orders').insert({
        transaction_id: transaction.id,
        tx_hash: transaction.txHash,
        item: (transaction.payload as { item: string }).item,
      })
    },
  }),
]
