import pino from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRabbit } from '../../src/broker/rabbit.ts'
import { brokerNames } from '../../src/broker/topology.ts'
import { republishLost } from '../../src/flows/republish-lost.ts'
import { createStore } from '../../src/store/store.ts'
import { amqpUrl, describeOnEachQueue, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import {
  createWorld,
  register,
  TEST_DELAYS_MS,
  untilRow,
  untilStatus,
  type World,
} from '../support/confirmd.ts'
import { insertRows } from '../support/insert-rows.ts'
import { countOrders, createOrderTables, eventsOf, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const EAGER_SWEEP = { SWEEP_INTERVAL_MS: '100', SWEEP_GRACE_MS: '300' }

describeWithBroker('a lost message', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorld('rabbitmq', { HANDLERS: ORDER_HANDLERS, ...EAGER_SWEEP })
    await createOrderTables(world.db)
  })
  afterEach(() => world.close())

  it('that was never published is published by the sweep', async () => {
    const api = await world.start('api', { AMQP_URL: 'amqp://127.0.0.1:1' })
    const txHash = randomHash()
    world.node.include(txHash)
    expect((await register(api.url, { txHash, kind: 'order' })).status).toBe(202)
    await until('the failed publish is logged', () =>
      api.log.some((line) => line.msg.startsWith('checks not published')),
    )
    const worker = await world.start('worker')
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
    // Once, or more often on a machine so slow that the grace was over again.
    expect(await (await fetch(`${worker.url}/metrics`)).text()).toMatch(
      /^confirmd_sweep_republished_total [1-9]/m,
    )
  })

  it('that was purged from any queue is published by the sweep', async () => {
    const api = await world.start('api')
    const hashes = Array.from({ length: 20 }, randomHash)
    for (const txHash of hashes) {
      world.node.include(txHash)
      await register(api.url, { txHash, kind: 'order' })
    }
    const { checkQueue } = brokerNames(world.prefix)
    const purged = await withChannel(amqpUrl(), (channel) =>
      until('all were published and purged', async () => {
        const { messageCount } = await channel.checkQueue(checkQueue)
        return messageCount === hashes.length && (await channel.purgeQueue(checkQueue)).messageCount
      }),
    )
    expect(purged).toBe(hashes.length)
    await world.start('worker')
    for (const txHash of hashes) await untilStatus(world.db, txHash, 'confirmed')
    expect(await world.db('orders')).toHaveLength(hashes.length)
  })

  it('whose publish failed is published by the next sweep, not after the grace', async () => {
    const patient = { SWEEP_GRACE_MS: '3600000' }
    const api = await world.start('api', { AMQP_URL: 'amqp://127.0.0.1:1', ...patient })
    const txHash = randomHash()
    world.node.include(txHash)
    await register(api.url, { txHash, kind: 'order' })
    await world.start('worker', patient)
    await untilStatus(world.db, txHash, 'confirmed')
  })

  it('is published into a long backlog too, in which the copies of what is not lost stay few', async () => {
    const overdue = 450
    const { checkQueue } = brokerNames(world.prefix)
    const api = await world.start('api')
    await until('the queue is there', () =>
      withChannel(amqpUrl(), (channel) => channel.checkQueue(checkQueue)).then(
        () => true,
        () => false,
      ),
    )
    await api.stop()
    await insertRows(world.db, overdue, { status: 'pending', next_check_at: new Date(0) })
    await withChannel(amqpUrl(), async (channel) => {
      for (let count = 0; count < 2_000; count++) channel.sendToQueue(checkQueue, Buffer.from('{"v":9}'))
      await until(
        'the backlog is there',
        async () => (await channel.checkQueue(checkQueue)).messageCount >= 2_000,
      )
    })
    const { queue } = openRabbit({
      urls: [amqpUrl()],
      prefix: world.prefix,
      chain: 'kaia',
      retryDelaysMs: TEST_DELAYS_MS,
      prefetch: 1,
      checkHealth: async () => undefined,
      log: pino({ level: 'silent' }),
      onFatal: (error) => {
        throw error
      },
    })
    try {
      await until('it is connected', async () => (await queue.backlog()) !== null)
      const sweepOnce = async () => {
        let republished = 0
        await republishLost(
          {
            store: createStore(world.db, { chain: 'kaia' }),
            queue,
            policy: { sweepGraceMs: 3_600_000 },
            observer: {
              republished: (count) => {
                republished += count
              },
            },
            log: pino({ level: 'silent' }),
          },
          new AbortController().signal,
        )
        return republished
      }
      // Each once, and no more in one sweep than its budget.
      expect([await sweepOnce(), await sweepOnce(), await sweepOnce(), await sweepOnce()]).toEqual([
        200, 200, 50, 0,
      ])
      await world.db('confirmd.transaction_history').update({ next_check_at: new Date(0) })
      await withChannel(amqpUrl(), (channel) => channel.purgeQueue(checkQueue))
      expect(await sweepOnce()).toBe(overdue)
    } finally {
      await queue.close()
    }
  })

  it('is not published twice by two sweeps', async () => {
    const txHash = randomHash()
    const api = await world.start('api', { AMQP_URL: 'amqp://127.0.0.1:1' })
    await register(api.url, { txHash })
    await untilRow(
      world.db,
      txHash,
      'overdue',
      (row) => Date.now() - (row['next_check_at'] as Date).getTime() > 2_500,
    )
    // Longer than a check may be late on a busy machine, or it would be published again for that.
    const noChecks = { WORKER_PREFETCH: '1', SWEEP_GRACE_MS: '2000' }
    const workers = [await world.start('worker', noChecks), await world.start('worker', noChecks)]
    await untilStatus(world.db, txHash, 'stalled')
    const texts = await Promise.all(workers.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()))
    const republished = texts.map((text) => Number(/confirmd_sweep_republished_total (\d+)/.exec(text)?.[1]))
    expect(republished.reduce((sum, count) => sum + count, 0)).toBe(1)
    expect(world.node.looks(txHash)).toHaveLength(11)
  })
})

describeOnEachQueue('the slow look', (kind) => {
  let world: World
  beforeEach(async () => {
    world = await createWorld(kind, {
      HANDLERS: ORDER_HANDLERS,
      RETRY_LIMIT: '0',
      STALLED_CHECK_INTERVAL_MS: '200',
      ...EAGER_SWEEP,
    })
    await createOrderTables(world.db)
  })
  afterEach(() => world.close())

  it('settles a stalled transaction whose receipt appears, by itself', async () => {
    const { url } = await world.start()
    const txHash = randomHash()
    await register(url, { txHash, kind: 'order' })
    await untilStatus(world.db, txHash, 'stalled')
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
  })

  it('expires a transaction that is still absent at the end of its time, and a late block still wins', async () => {
    const { url } = await world.start('start', { EXPIRE_AFTER_MS: '300' })
    const txHash = randomHash()
    const { body } = await register(url, { txHash, kind: 'order' })
    await untilStatus(world.db, txHash, 'expired')
    expect((await eventsOf(world.db, body.id)).map(({ status }) => status)).toEqual(['stalled', 'expired'])
    world.node.include(txHash)
    const recheck = await fetch(`${url}/v1/transactions/${body.id}/recheck`, { method: 'POST' })
    expect(await recheck.json()).toMatchObject({ status: 'expired' })
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
  })

  it('never expires a transaction because the nodes do not answer', async () => {
    const { url } = await world.start('start', { EXPIRE_AFTER_MS: '0' })
    const txHash = randomHash()
    await register(url, { txHash })
    world.node.fault = (method) =>
      method === 'klay_getTransactionReceipt' ? { kind: 'status', status: 503 } : null
    await untilRow(world.db, txHash, 'waiting', (row) => Number(row['consecutive_errors']) > 0)
    await world
      .db('confirmd.transaction_history')
      .where({ tx_hash: txHash })
      .update({ status: 'stalled', stalled_at: new Date(0) })
    await until('it was looked at slowly', () => world.node.looks(txHash).length > 5)
    expect(await world.db('confirmd.transaction_history').where({ tx_hash: txHash }).first()).toMatchObject({
      status: 'stalled',
    })
  })
})

describe('with the table as the queue', () => {
  it('the sweep has nothing to publish: nothing is looked at twice', async () => {
    const world = await createWorld('table', { RETRY_LIMIT: '2', ...EAGER_SWEEP })
    try {
      const { url } = await world.start()
      const txHash = randomHash()
      await register(url, { txHash })
      await untilStatus(world.db, txHash, 'stalled')
      expect(world.node.looks(txHash)).toHaveLength(3)
    } finally {
      await world.close()
    }
  })
})
