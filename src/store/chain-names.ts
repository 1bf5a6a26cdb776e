import type { Knex } from 'knex'
import { raw } from './statement.ts'

/** The names of the chains of which there are transactions; by the index, not by the rows. */
export async function listChainsInUse(db: Knex): Promise<readonly string[]> {
  const { rows } = await raw<{ rows: { chain: string }[] }>(db, `${CHAINS_IN_USE} ORDER BY chain`)
  return rows.map(({ chain }) => chain)
}

/** Each step of the recursion looks up the next chain in the index that begins with it. */
export const CHAINS_IN_USE = `
  WITH RECURSIVE chains AS (
    (SELECT chain FROM :schema:.transaction_history ORDER BY chain LIMIT 1)
    UNION ALL
    SELECT (SELECT t.chain FROM :schema:.transaction_history AS t WHERE t.chain > c.chain ORDER BY t.chain LIMIT 1)
      FROM chains AS c WHERE c.chain IS NOT NULL)
  SELECT chain FROM chains WHERE chain IS NOT NULL`
