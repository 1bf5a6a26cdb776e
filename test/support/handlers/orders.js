/**
 * Business writes of the tests. `order` writes one row. `picky` writes its row and then throws for as long as
 * the table `refusals` has a row, so that a test can see that nothing of it remains.
 */
async function writeOrder({ trx, transaction }) {
  await trx('orders').insert({
    transaction_id: transaction.id,
    tx_hash: transaction.txHash,
    status: transaction.status,
  })
}

export default [
  { kind: 'plain', noWrite: true },
  { kind: 'default', noWrite: true },
  { kind: 'order', confirmed: writeOrder },
  { kind: 'both', confirmed: writeOrder, failed: writeOrder },
  {
    kind: 'picky',
    async confirmed(context) {
      await writeOrder(context)
      const refusal = await context.trx('refusals').first()
      if (refusal) throw new Error('refused by the test')
    },
  },
  {
    kind: 'deadly',
    confirmed() {
      process.kill(process.pid, 'SIGKILL')
    },
  },
  {
    kind: 'endless',
    confirmed() {
      for (;;);
    },
  },
  {
    kind: 'hanging',
    async confirmed(context) {
      await writeOrder(context)
      await new Promise(() => undefined)
    },
  },
  {
    kind: 'premature',
    async confirmed(context) {
      await writeOrder(context)
      await context.trx.commit()
      throw new Error('after its own commit')
    },
  },
]
