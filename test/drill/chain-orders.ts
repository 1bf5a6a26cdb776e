import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import type { Condition } from './drill.ts'
import type { Entry } from './ledger.ts'

/** The module for `HANDLERS` whose business writes name the chain and the kind that they ran for. */
export const CHAIN_ORDER_HANDLERS = fileURLToPath(new URL('handlers/orders-of-chains.js', import.meta.url))

/** No unique key: a doubled write must be seen, not prevented. */
export async function createChainOrders(db: Knex): Promise<void> {
  await db.raw('CREATE TABLE chain_orders (chain text NOT NULL, tx_hash text NOT NULL, kind text NOT NULL)')
}

/** A business row for each transaction that is confirmed in truth, on its chain and under its kind, and no other. */
export async function judgeChainOrders(db: Knex, entries: readonly Entry[]): Promise<Condition> {
  const expected = entries
    .filter(({ recorded, truth }) => recorded && truth === 'confirmed')
    .map(({ chain, txHash, kind }) => [chain, txHash, kind].join(' '))
  const rows: { chain: string; tx_hash: string; kind: string }[] = await db('chain_orders')
  const found = rows.map(({ chain, tx_hash: txHash, kind }) => [chain, txHash, kind].join(' '))
  const isSame = expected.toSorted().join('\n') === found.toSorted().join('\n')
  return {
    text: `the business rows name the chains, hashes and kinds that were to be confirmed (${found.length} of ${expected.length})`,
    passed: isSame,
  }
}
