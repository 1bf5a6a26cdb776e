import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { brokerNames } from '../../src/broker/topology.ts'
import { migrate } from '../../src/store/migrations.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'

/** Tables with rows, messages and statements as release 0.2.0 has them on a running system. */
const fixture = (name: string) =>
  readFileSync(new URL(`../fixtures/release-0.2.0/${name}`, import.meta.url), 'utf8')
const hashOf = (digit: number) => `0x${String(digit).repeat(64)}`

describeWithBroker('beside the previous release', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorld('rabbitmq', {
      HANDLERS: ORDER_HANDLERS,
      SWEEP_INTERVAL_MS: '100',
      RETRY_LIMIT: '100',
    })
    await world.db.raw('DROP SCHEMA confirmd CASCADE')
    await world.db.raw(fixture('database.sql'))
    await createOrderTables(world.db)
  })
  afterEach(() => world.close())

  it('its rows and its messages are carried on by this one, each to its end', async () => {
    await migrate(world.database.url)
    const { directExchange, checkKey } = brokerNames(world.prefix)
    for (const digit of [1, 2, 3, 6]) world.node.include(hashOf(digit))
    const worker = await world.start('worker')
    await withChannel(amqpUrl(), async (channel) => {
      for (const line of fixture('messages.jsonl').trim().split('\n')) {
        channel.publish(directExchange, checkKey, Buffer.from(line), { persistent: true })
      }
      await channel.checkExchange(directExchange)
    })
    for (const digit of [1, 2, 3, 6]) await untilStatus(world.db, hashOf(digit), 'confirmed')
    expect(
      await world
        .db('confirmd.transaction_history')
        .where({ tx_hash: hashOf(5) })
        .first(),
    ).toMatchObject({
      status: 'pending',
      parked_at: expect.any(Date),
    })
    expect((await world.db('orders').select('tx_hash')).map((row) => row.tx_hash).sort()).toEqual(
      [1, 2, 3, 6].map(hashOf),
    )
    await worker.stop()
  })

  it('it goes on working on the schema that this one migrated, and starts again on it', async () => {
    await migrate(world.database.url)
    for (const statement of fixture('statements.sql').trim().split(';\n')) await world.db.raw(statement)
    const row = await world
      .db('confirmd.transaction_history')
      .where({ tx_hash: hashOf(9) })
      .first()
    expect(row).toMatchObject({ status: 'failed', retry_count: 1 })
    const { url } = await world.start('api')
    const shown = await (await fetch(`${url}/v1/transactions/${row.id}`)).json()
    expect(shown).toMatchObject({ status: 'failed', failure: { name: 'reverted' } })
  })

  it('a release that knows fewer migrations than the database has starts all the same', async () => {
    await migrate(world.database.url)
    await world
      .db('confirmd.migrations')
      .insert({ name: '29990101000000_of_a_later_release.js', batch: 99, migration_time: new Date() })
    expect(await migrate(world.database.url)).toEqual([])
    const { url } = await world.start('api')
    expect((await register(url, { txHash: randomHash() })).status).toBe(202)
  })
})
