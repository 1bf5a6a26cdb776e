import { fileURLToPath } from 'node:url'
import { createWorld, register, untilRow, type World } from './confirmd.ts'
import { createOrderTables } from './orders.ts'
import { randomHash } from './scripted-node.ts'
import { until } from './until.ts'

/** So long that nothing but the follower can be what settled a row within a test. */
export const NEVER_MS = '600000'

const HANDLERS = fileURLToPath(new URL('handlers/uncommittable.js', import.meta.url))

/** A world in which only the follower settles, with the tables of its business writes. */
export async function createFollowingWorld(): Promise<World> {
  const world = await createWorld('table', {
    FOLLOW_BLOCKS: 'on',
    HANDLERS,
    RETRY_DELAYS_MS: NEVER_MS,
    STALLED_CHECK_INTERVAL_MS: NEVER_MS,
    SWEEP_INTERVAL_MS: NEVER_MS,
    HANDLER_TIMEOUT_MS: '20000',
  })
  await createOrderTables(world.db)
  await world.db.raw(`
    CREATE TABLE owners (id uuid PRIMARY KEY);
    CREATE TABLE references_to_nothing (
      owner uuid NOT NULL REFERENCES owners DEFERRABLE INITIALLY DEFERRED
    );
    CREATE SEQUENCE write_runs`)
  return world
}

export async function forgetAll({ db, node }: World): Promise<void> {
  node.fault = () => null
  await db.raw(
    'TRUNCATE confirmd.transaction_history, confirmd.outbox, confirmd.webhook_deliveries, confirmd.webhook_attempts, orders, refusals, confirmd.chain_cursors',
  )
}

/** Registered, checked once in vain, and not checked again for ten minutes. */
export async function registerWaiting(world: World, url: string, kind = 'order'): Promise<string> {
  const txHash = randomHash()
  const { status } = await register(url, { txHash, kind })
  if (status !== 202) throw new Error(`the registration was answered ${status}`)
  await untilRow(world.db, txHash, 'it waits', (row) => row['retry_count'] === 1)
  return txHash
}

/** Registered, and ended two days ago without a receipt, so that it is not checked any more. */
export async function registerEnded(
  world: World,
  url: string,
  status: 'expired' | 'replaced',
  kind = 'order',
): Promise<string> {
  const txHash = await registerWaiting(world, url, kind)
  await world
    .db('confirmd.transaction_history')
    .where({ tx_hash: txHash })
    .update({ status, next_check_at: null, settled_at: new Date(Date.now() - 2 * 86_400_000) })
  return txHash
}

/** Whether the follower of any process has come as far as the node's head. */
export async function untilFollowed({ db, node }: World): Promise<void> {
  await until('the newest block is followed', async () => {
    const cursor = await db('confirmd.chain_cursors').first()
    return cursor !== undefined && Number(cursor.block_number) >= node.head()
  })
}
