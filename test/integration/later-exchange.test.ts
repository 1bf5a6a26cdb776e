import { afterEach, beforeEach, expect, it } from 'vitest'
import { amqpUrl, deleteTopology, describeWithBroker, uniquePrefix } from '../support/broker.ts'
import { runCommand } from '../support/command.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { type Listener, listen } from '../support/events.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const DELAYS_MS = [100, 200] as const

describeWithBroker('an exchange that is added later', () => {
  let world: World
  let prefix: string
  let listener: Listener
  beforeEach(async () => {
    world = await createWorld('table', { RETRY_DELAYS_MS: DELAYS_MS.join(',') })
    prefix = uniquePrefix()
    listener = await listen(prefix)
  })
  afterEach(async () => {
    await listener.stop()
    await world.close()
    await deleteTopology(amqpUrl(), prefix, DELAYS_MS)
  })

  async function settle(url: string, count: number): Promise<string[]> {
    const hashes = Array.from({ length: count }, randomHash)
    for (const txHash of hashes) {
      world.node.include(txHash)
      await register(url, { txHash })
      await untilStatus(world.db, txHash, 'confirmed')
    }
    return hashes
  }

  const heard = () => [...new Set(listener.heard.map(({ event }) => event.subject))].toSorted()

  it('is told of what is new, and of the past only if it is asked for', async () => {
    const alone = await world.start()
    const past = await settle(alone.url, 3)
    await until('they are in the feed', async () => {
      const [left] = await world.db('confirmd.outbox').whereNull('sequence').count()
      return left?.['count'] === '0'
    })
    await alone.stop()
    const broker = { AMQP_URL: amqpUrl(), AMQP_PREFIX: prefix }
    const { url } = await world.start('start', broker)
    const [newest = ''] = await settle(url, 1)
    await until('the new one is heard of', () => heard().length > 0)
    expect(heard()).toEqual([newest])
    const ids = await world.db('confirmd.outbox').pluck('id')
    const environment = { ...world.environment, ...broker }
    expect((await runCommand(['announce', '--after', '0'], environment)).code).toBe(0)
    await until('all are heard of', () => heard().length === past.length + 1)
    expect(listener.heard.every(({ event }) => ids.includes(event.id))).toBe(true)
    expect((await runCommand(['announce', '--after', 'x'], environment)).code).toBe(64)
    expect((await runCommand(['announce', '--after', '0'], world.environment)).code).toBe(78)
  })
})
