/** The business write of the benchmarks: one row, as most of them are. */
export default [
  { kind: 'plain', noWrite: true },
  {
    kind: 'order',
    async confirmed({ trx, transaction }) {
      await trx('orders').insert({ transaction_id: transaction.id, tx_hash: transaction.txHash })
    },
  },
]
