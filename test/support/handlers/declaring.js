import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What the package exports, of the build that runs. */
const confirmd = await import(pathToFileURL(join(dirname(process.argv[1]), 'handlers.js')).href)

/** A kind with a write, and one that is declared to have none. */
export default [
  {
    kind: 'order',
    async confirmed({ trx, transaction }) {
      await trx('orders').insert({
        transaction_id: transaction.id,
        tx_hash: transaction.txHash,
        status: transaction.status,
      })
    },
  },
  // Versions without the declaration have a write that does nothing instead.
  confirmd.noWrite?.({ kind: 'note' }) ?? { kind: 'note', confirmed: () => undefined },
]
