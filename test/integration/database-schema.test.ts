import { afterEach, beforeEach, expect, it } from 'vitest'
import { migrate } from '../../src/store/migrations.ts'
import { catalogOf } from '../support/catalog.ts'
import { runCommand } from '../support/command.ts'
import { createWorld, register, type World } from '../support/confirmd.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

let world: World
beforeEach(async () => {
  world = await createWorld('table', { HANDLERS: ORDER_HANDLERS })
  await createOrderTables(world.db)
})
afterEach(() => world.close())

/** Tables of a backend that happen to have our names, and are not as ours are. */
const THEIRS = ['transaction_history', 'outbox', 'webhooks', 'activity', 'migrations']

it('tables of our names in the schema of others are theirs: nothing of confirmd reads or writes them', async () => {
  for (const table of THEIRS) await world.db.raw(`CREATE TABLE ${table} (note text)`)
  const before = await catalogOf(world.db, 'public')
  const running = await world.start()
  await settleOne(running.url, 'confirmd')
  const { code } = await runCommand(['prune', '--older-than', '1m'], world.environment)
  expect(code).toBe(0)
  expect(await catalogOf(world.db, 'public')).toEqual(before)
  for (const table of THEIRS) expect(await world.db(table).count()).toEqual([{ count: '0' }])
})

it('DATABASE_SCHEMA: all tables are in that schema, and one that is there already is left alone', async () => {
  const before = await catalogOf(world.db, 'confirmd')
  const running = await world.start('start', { DATABASE_SCHEMA: 'payments' })
  await settleOne(running.url, 'payments')
  expect(await world.db('confirmd.transaction_history').count()).toEqual([{ count: '0' }])
  expect(await catalogOf(world.db, 'confirmd')).toEqual(before)
  const other = await catalogOf(world.db, 'payments')
  expect(JSON.parse(JSON.stringify(other).replaceAll('payments.', 'confirmd.'))).toEqual(before)
})

it('a user who may not make a schema migrates into one that was made for it', async () => {
  const role = `migrator_${process.pid}`
  await world.db.raw(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; CREATE SCHEMA made AUTHORIZATION ${role}`)
  try {
    const url = new URL(world.database.url)
    url.username = role
    url.password = 'secret'
    expect((await migrate(url.href, { schema: 'made' })).length).toBeGreaterThan(0)
    await expect(migrate(url.href, { schema: 'not_made' })).rejects.toThrow(/permission denied for database/)
  } finally {
    await world.db.raw(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
  }
})

async function settleOne(url: string, schema: string): Promise<void> {
  const txHash = randomHash()
  world.node.include(txHash)
  expect((await register(url, { txHash, kind: 'order' })).status).toBe(202)
  await until('it is confirmed and announced', async () => {
    const row = await world.db(`${schema}.transaction_history`).where({ tx_hash: txHash }).first()
    const event = await world.db(`${schema}.outbox`).where({ status: 'confirmed' }).first()
    return row?.status === 'confirmed' && event !== undefined
  })
}
