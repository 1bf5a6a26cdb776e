import { logged } from './run-log.js'
import { SESSION_MARKS } from './session-marks.js'

const CHANGES = SESSION_MARKS.map(({ kind, seen }) => `CASE WHEN ${seen} THEN '${kind}' END`).join(', ')

/** Says in the table `unclean` what of the session another handler has changed. */
export async function inspectSession({ trx, transaction }) {
  const { rows } = await trx.raw(`SELECT array_remove(ARRAY[${CHANGES}], NULL) AS changes`)
  const { changes } = rows[0]
  if (changes.length === 0) return
  await trx.raw('INSERT INTO public.unclean (tx_hash, changes) VALUES (?, ?)', [transaction.txHash, changes])
}

/** Does what a business write should: one row, through `trx`. */
export const wellBehaved = logged({
  kind: 'order',
  async confirmed(context) {
    const { trx, transaction } = context
    await inspectSession(context)
    const { id, txHash, status } = transaction
    await trx('orders').insert({ transaction_id: id, tx_hash: txHash, status })
  },
})
