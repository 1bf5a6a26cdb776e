/** Two kinds whose business write says for which chain and kind it ran. */
function writeRows(kind) {
  return {
    kind,
    async confirmed({ trx, transaction }) {
      const { id, chain, txHash, status } = transaction
      await trx('orders').insert({ transaction_id: id, tx_hash: txHash, status })
      await trx('chain_orders').insert({ chain, tx_hash: txHash, kind: transaction.kind })
    },
  }
}

export default ['order', 'transfer'].map(writeRows)
