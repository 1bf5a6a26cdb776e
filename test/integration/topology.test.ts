import { afterEach, beforeEach, expect, it } from 'vitest'
import { openRabbit } from '../../src/broker/rabbit.ts'
import { type BrokerNames, brokerNames, topologyOf } from '../../src/broker/topology.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

describeWithBroker('the topology', () => {
  let world: World
  let names: BrokerNames
  beforeEach(async () => {
    world = await createWorld('rabbitmq')
    names = brokerNames(world.prefix)
  })
  afterEach(() => world.close())

  it('has the names of the contract', () => {
    const { exchanges, queues } = topologyOf('TX', [1000, 2000, 5000])
    expect(exchanges.map(({ name }) => name)).toEqual([
      'TX.E.DIRECT',
      'TX.E.WAITING',
      'TX.E.DEAD',
      'TX.E.EVENTS',
    ])
    expect(queues.map(({ name }) => name)).toEqual([
      'TX.Q.CONFIRM_CHECK',
      'TX.Q.WAIT_CONFIRM_CHECK.1000',
      'TX.Q.WAIT_CONFIRM_CHECK.2000',
      'TX.Q.WAIT_CONFIRM_CHECK.5000',
      'TX.Q.PARKED',
    ])
  })

  it.each([
    [
      'a queue with another argument',
      'x-message-ttl',
      async (each: BrokerNames) => {
        await withChannel(amqpUrl(), async (channel) => {
          const { queues } = topologyOf(world.prefix, [100, 200])
          const ours = queues.find(({ name }) => name === each.waitQueue(100))
          await channel.assertQueue(each.waitQueue(100), {
            durable: true,
            arguments: { ...ours?.arguments, 'x-message-ttl': 999 },
          })
        })
      },
    ],
    [
      'a queue without our arguments',
      'x-dead-letter-exchange',
      async (each: BrokerNames) => {
        await withChannel(amqpUrl(), async (channel) => {
          await channel.assertQueue(each.checkQueue, { durable: true })
        })
      },
    ],
    [
      'an exchange of another type',
      'type',
      async (each: BrokerNames) => {
        await withChannel(amqpUrl(), async (channel) => {
          await channel.assertExchange(each.directExchange, 'fanout', { durable: true })
        })
      },
    ],
  ])('%s is there already: a message that names it, and no loop', async (_title, argument, prepare) => {
    await prepare(names)
    const { fatal, log } = await world.start('worker', { TEST_NOT_READY: '1' })
    await until('both connections gave up', () => fatal.length === 2)
    expect(fatal[0]?.name).toBe('TopologyMismatchError')
    expect(fatal[0]?.message).toContain(world.prefix)
    expect(fatal[0]?.message).toContain(`'${argument}'`)
    expect(log.filter((line) => line.msg.includes('trying again'))).toEqual([])
  })

  it.each([
    [
      'the consuming channel is closed by the server',
      async (each: BrokerNames) => {
        await withChannel(amqpUrl(), (channel) => channel.deleteQueue(each.checkQueue))
      },
    ],
    [
      'a wait queue is deleted',
      async (each: BrokerNames) => {
        await withChannel(amqpUrl(), (channel) => channel.deleteQueue(each.waitQueue(100)))
      },
    ],
    [
      'the exchange of the checks is deleted',
      async (each: BrokerNames) => {
        await withChannel(amqpUrl(), (channel) => channel.deleteExchange(each.directExchange))
      },
    ],
  ])('%s: it is declared again and checks go on', async (_title, damage) => {
    const { url } = await world.start('start', {
      SWEEP_INTERVAL_MS: '100',
      SWEEP_GRACE_MS: '500',
      RETRY_LIMIT: '3',
    })
    await damage(names)
    const txHash = randomHash()
    await register(url, { txHash })
    await untilStatus(world.db, txHash, 'stalled')
    const late = randomHash()
    world.node.include(late)
    await register(url, { txHash: late })
    await untilStatus(world.db, late, 'confirmed')
  })

  it('a queue is gone when it is asked how full it is: it is declared again, and the answers go on', async () => {
    const { queue } = openRabbit({
      urls: [amqpUrl()],
      prefix: world.prefix,
      chain: 'kaia',
      retryDelaysMs: [100, 200],
      prefetch: 1,
      checkHealth: async () => undefined,
      log: { info: () => undefined, warn: () => undefined },
      onFatal: () => undefined,
    })
    try {
      const answers = () =>
        queue.backlog().then(
          (backlog) => backlog === 0,
          () => false,
        )
      await until('it answers', answers)
      await withChannel(amqpUrl(), (channel) => channel.deleteQueue(names.checkQueue))
      expect(await answers()).toBe(false)
      await until('it answers again: without answers the sweep publishes nothing', answers)
    } finally {
      await queue.close()
    }
  })
})
