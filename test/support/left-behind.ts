import { readFileSync } from 'node:fs'
import type { Knex } from 'knex'
import { expect } from 'vitest'
import { brokerNames } from '../../src/broker/topology.ts'
import { migrate } from '../../src/store/migrations.ts'
import { amqpUrl } from './broker.ts'
import { withChannel } from './channel.ts'
import { createWorld, type RunningConfirmd, untilStatus, type World } from './confirmd.ts'
import { createOrderTables, ORDER_HANDLERS } from './orders.ts'

/** The folder of fixtures with what a release left on a running system. */
type Release = 'version-0.1' | 'release-0.2.0'

/** Its tables with rows, the messages in its queue, or statements as its processes run them. */
type Part = 'database.sql' | 'messages.jsonl' | 'statements.sql'

export const hashOf = (digit: number) => `0x${String(digit).repeat(64)}`

/** The rows 1 to 3 are open; a message registers the sixth. */
const OPEN = [1, 2, 3, 6]
const PARKED = 5

export function leftBehind(release: Release, part: Part): string {
  return readFileSync(new URL(`../fixtures/${release}/${part}`, import.meta.url), 'utf8')
}

/** Makes a database what a release left behind. */
export async function restoreLeftBehind(db: Knex, release: Release): Promise<void> {
  await db.raw('DROP SCHEMA IF EXISTS confirmd CASCADE')
  await db.raw(leftBehind(release, 'database.sql'))
}

export async function createWorldLeftBehind(release: Release): Promise<World> {
  const world = await createWorld('rabbitmq', {
    HANDLERS: ORDER_HANDLERS,
    SWEEP_INTERVAL_MS: '100',
    RETRY_LIMIT: '100',
  })
  await restoreLeftBehind(world.db, release)
  await createOrderTables(world.db)
  return world
}

/** Migrates, starts a worker, and expects that it brings rows and messages to their end; resolves with the worker. */
export async function expectCarriedOn(world: World, release: Release): Promise<RunningConfirmd> {
  await migrate(world.database.url)
  const { directExchange, checkKey } = brokerNames(world.prefix)
  for (const digit of OPEN) world.node.include(hashOf(digit))
  const worker = await world.start('worker')
  await withChannel(amqpUrl(), async (channel) => {
    for (const line of leftBehind(release, 'messages.jsonl').trim().split('\n')) {
      channel.publish(directExchange, checkKey, Buffer.from(line), { persistent: true })
    }
    await channel.checkExchange(directExchange)
  })
  for (const digit of OPEN) await untilStatus(world.db, hashOf(digit), 'confirmed')
  const parked = await world
    .db('confirmd.transaction_history')
    .where({ tx_hash: hashOf(PARKED) })
    .first()
  expect(parked).toMatchObject({
    status: 'pending',
    park_code: 'write-failed',
    parked_at: expect.any(Date),
  })
  const orders: { tx_hash: string }[] = await world.db('orders').select('tx_hash')
  expect(orders.map(({ tx_hash }) => tx_hash).sort()).toEqual(OPEN.map(hashOf))
  return worker
}
