import type { Knex } from 'knex'
import { v7 as uuidv7 } from 'uuid'
import { randomHash } from './scripted-node.ts'

/** Rows as the API would have recorded them, with these columns changed; returns their hashes. */
export async function insertRows(
  db: Knex,
  count: number,
  columns: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const rows = Array.from({ length: count }, () => ({
    id: uuidv7(),
    chain: 'kaia',
    tx_hash: randomHash(),
    kind: 'default',
    payload: 'null',
    ...columns,
  }))
  await db.batchInsert('confirmd.transaction_history', rows, 500)
  return rows.map((row) => row.tx_hash)
}
