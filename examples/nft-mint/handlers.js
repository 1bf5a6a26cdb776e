import { defineHandler } from 'confirmd'
import { KIND } from './attempts.js'

/** keccak256('Transfer(address,address,uint256)') */
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

/**
 * The business writes. confirmd runs them in the database transaction that commits the verdict: an order is minted
 * if, and only if, its transaction is final.
 */
export default [
  defineHandler({
    kind: KIND,
    confirmed: async (context) => {
      const { blockNumber, raw } = context.receipt
      const transfer = raw.logs.find(({ topics }) => topics[0] === TRANSFER)
      await complete(context, {
        state: 'minted',
        minted_in: blockNumber,
        // The sandbox's receipts have no logs.
        token_id: transfer ? BigInt(transfer.topics[3]).toString() : null,
      })
    },
    failed: async (context) => {
      await complete(context, { state: 'failed', failure: context.transaction.failure.name })
    },
  }),
]

/** The hash must be the order's own: whoever may register transactions must not complete the orders of others. */
async function complete({ trx, transaction }, outcome) {
  const { orderId } = transaction.payload
  const completed = await trx('orders').where({ id: orderId, tx_hash: transaction.txHash }).update(outcome)
  if (completed !== 1) throw new Error(`there is no order ${orderId} with transaction ${transaction.txHash}`)
}
