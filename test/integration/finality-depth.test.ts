import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeOnEachQueue } from '../support/broker.ts'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { eventsOf } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const RETRY_LIMIT = 2

describeOnEachQueue('a receipt that is not final yet', (kind) => {
  let world: World
  beforeEach(async () => {
    world = await createWorld(kind, { FINALITY_DEPTH_BLOCKS: '12', RETRY_LIMIT: String(RETRY_LIMIT) })
  })
  afterEach(() => world.close())

  it('is waited for without an attempt spent, and announced once, as confirmed', async () => {
    const { url } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    const { body } = await register(url, { txHash })
    await until('it was checked more often than RETRY_LIMIT', () => {
      return world.node.looks(txHash).length > RETRY_LIMIT + 3
    })
    expect(await untilRow(world.db, txHash, 'there', () => true)).toMatchObject({
      status: 'pending',
      retry_count: 0,
    })
    world.node.mine(12)
    await untilStatus(world.db, txHash, 'confirmed')
    expect((await eventsOf(world.db, body.id)).map(({ status }) => status)).toEqual(['confirmed'])
  })
})
