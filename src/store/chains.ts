import type { Knex } from 'knex'
import type { Anchor, BoundChain } from '../domain/chain-binding.ts'
import { qualified } from './schema.ts'
import { prepared } from './statement.ts'

interface ChainRow {
  readonly name: string
  readonly chain_id: string
  readonly anchor_number: string
  readonly anchor_hash: string
}

const COLUMNS = 'name, chain_id, anchor_number, anchor_hash'

/** Null if no node of the chain has answered yet. */
export async function readChain(db: Knex, name: string): Promise<BoundChain | null> {
  const [row] = await prepared<ChainRow>(
    db,
    'confirmd-read-chain-1',
    `SELECT ${COLUMNS} FROM :schema:.chains WHERE name = :name`,
    { name },
  )
  return row ? toBoundChain(row) : null
}

export async function listChains(db: Knex): Promise<BoundChain[]> {
  const rows = await prepared<ChainRow>(
    db,
    'confirmd-list-chains-1',
    `SELECT ${COLUMNS} FROM :schema:.chains ORDER BY name`,
    {},
  )
  return rows.map(toBoundChain)
}

/** Binds the name if nobody has; resolves with what it is bound to. */
export async function bindChain(db: Knex, chain: BoundChain): Promise<BoundChain> {
  const { name, chainId, anchor } = chain
  await prepared(
    db,
    'confirmd-bind-chain-1',
    `INSERT INTO :schema:.chains (name, chain_id, anchor_number, anchor_hash)
     VALUES (:name, :chainId, :number, :hash) ON CONFLICT (name) DO NOTHING`,
    { name, chainId, ...anchor },
  )
  return (await readChain(db, name)) ?? chain
}

/** Another anchor for a chain that was begun anew. */
export async function rebindChain(db: Knex, name: string, anchor: Anchor): Promise<void> {
  await prepared(
    db,
    'confirmd-rebind-chain-1',
    `UPDATE :schema:.chains SET anchor_number = :number, anchor_hash = :hash, bound_at = now() WHERE name = :name`,
    { name, ...anchor },
  )
}

/** What became of forgetting a chain. `unsettled`: rows that wait for a verdict of it. */
export type Forgotten =
  | { readonly kind: 'forgotten' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unsettled'; readonly count: number }

/**
 * Unbinds a name and forgets how far its blocks were followed, unless rows wait for a verdict of the chain that it means
 * now.
 */
export async function forgetChain(db: Knex, name: string): Promise<Forgotten> {
  return db.transaction(async (trx) => {
    const [row] = await trx(qualified(trx, 'chains')).where({ name }).forUpdate().select('name')
    if (!row) return { kind: 'unknown' }
    const [found] = await trx(qualified(trx, 'transaction_history'))
      .where({ chain: name })
      .whereIn('status', ['pending', 'stalled'])
      .count<{ count: string }[]>('* as count')
    const count = Number(found?.count ?? 0)
    if (count > 0) return { kind: 'unsettled', count }
    await trx(qualified(trx, 'chain_cursors')).where({ chain: name }).delete()
    await trx(qualified(trx, 'chains')).where({ name }).delete()
    return { kind: 'forgotten' }
  })
}

function toBoundChain(row: ChainRow): BoundChain {
  return {
    name: row.name,
    chainId: Number(row.chain_id),
    anchor: { number: Number(row.anchor_number), hash: row.anchor_hash },
  }
}
