import { afterEach, beforeEach, expect, it } from 'vitest'
import { migrate } from '../../src/store/migrations.ts'
import { describeWithBroker } from '../support/broker.ts'
import { register, type World } from '../support/confirmd.ts'
import { createWorldLeftBehind, expectCarriedOn, hashOf, leftBehind } from '../support/left-behind.ts'
import { randomHash } from '../support/scripted-node.ts'

const PREVIOUS = 'release-0.2.0'

describeWithBroker('beside the previous release', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorldLeftBehind(PREVIOUS)
  })
  afterEach(() => world.close())

  it('its rows and its messages are carried on by this one, each to its end', async () => {
    const worker = await expectCarriedOn(world, PREVIOUS)
    await worker.stop()
  })

  it('it goes on working on the schema that this one migrated, and starts again on it', async () => {
    await migrate(world.database.url)
    for (const statement of leftBehind(PREVIOUS, 'statements.sql').trim().split(';\n'))
      await world.db.raw(statement)
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
