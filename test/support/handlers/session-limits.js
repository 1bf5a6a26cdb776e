/** Notes what its session allows, in milliseconds. */
export default [
  {
    kind: 'limits',
    async confirmed({ trx, transaction }) {
      const { rows } = await trx.raw(
        `SELECT name, setting FROM pg_settings
          WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout')`,
      )
      for (const { name, setting } of rows)
        await trx('session_limits').insert({ tx_hash: transaction.txHash, name, ms: setting })
    },
  },
]
