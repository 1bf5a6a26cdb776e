import type { Knex } from 'knex'
import type { Transaction } from '../../src/domain/transaction.ts'
import { createStore } from '../../src/store/store.ts'
import { randomHash } from './scripted-node.ts'

/** Records a transaction of its own, as a registration does; its check is due at once. */
export async function recordTransaction(db: Knex): Promise<Transaction> {
  const { transaction } = await createStore(db, { chain: 'kaia' }).record({
    chain: 'kaia',
    txHash: randomHash(),
    kind: 'k',
    payload: null,
    sender: null,
    nonce: null,
    correlationId: 'c-1',
    traceParent: null,
  })
  return transaction
}
