import { afterEach, beforeEach, expect, it } from 'vitest'
import { type BrokerNames, brokerNames } from '../../src/broker/topology.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import {
  createWorld,
  type RunningConfirmd,
  register,
  untilRow,
  untilStatus,
  type World,
} from '../support/confirmd.ts'
import { countOrders, createOrderTables, eventsOf, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

describeWithBroker('messages on the broker', () => {
  let world: World
  let names: BrokerNames
  let worker: RunningConfirmd

  beforeEach(async () => {
    world = await createWorld('rabbitmq', { HANDLERS: ORDER_HANDLERS, RETRY_LIMIT: '100' })
    await createOrderTables(world.db)
    names = brokerNames(world.prefix)
    worker = await world.start('worker')
  })
  afterEach(() => world.close())

  async function publish(content: string, times = 1, properties = {}): Promise<void> {
    await withChannel(amqpUrl(), async (channel) => {
      for (let count = 0; count < times; count++) {
        channel.publish(names.directExchange, names.checkKey, Buffer.from(content), properties)
      }
      await channel.checkQueue(names.checkQueue)
    })
  }

  function depth(queue: string): Promise<number> {
    return withChannel(amqpUrl(), async (channel) => (await channel.checkQueue(queue)).messageCount)
  }

  function takeParked(): Promise<{ content: string; reason: unknown }> {
    return withChannel(amqpUrl(), (channel) =>
      until('a message is parked', async () => {
        const message = await channel.get(names.parkedQueue, { noAck: true })
        return (
          message && {
            content: message.content.toString(),
            reason: message.properties.headers?.['x-confirmd-reason'],
          }
        )
      }),
    )
  }

  it('a hash from a foreign publisher is recorded and settled, business write included', async () => {
    const txHash = randomHash()
    world.node.include(txHash)
    await publish(JSON.stringify({ txHash, kind: 'order', payload: { item: 1 }, note: 'ignored' }), 1, {
      correlationId: 'python-7',
    })
    const row = await untilStatus(world.db, txHash, 'confirmed')
    expect(row).toMatchObject({ kind: 'order', payload: { item: 1 }, correlation_id: 'python-7' })
    expect(await countOrders(world.db, txHash)).toBe(1)
  })

  it('the same foreign message 50 times makes one row and one effect', async () => {
    await world.start('worker')
    const txHash = randomHash()
    await publish(JSON.stringify({ txHash, kind: 'order' }), 50)
    await untilRow(world.db, txHash, 'waiting', (row) => Number(row['retry_count']) >= 2)
    world.node.include(txHash)
    const row = await untilStatus(world.db, txHash, 'confirmed')
    await until('the queues are empty', async () => (await depth(names.checkQueue)) === 0)
    expect(await world.db('confirmd.transaction_history').where({ tx_hash: txHash })).toHaveLength(1)
    expect(await countOrders(world.db, txHash)).toBe(1)
    expect(await eventsOf(world.db, row['id'])).toHaveLength(1)
  })

  it('copies of a check spend no more attempts than one message would', async () => {
    await world.stopAll()
    const api = await world.start('api')
    const txHash = randomHash()
    const { body } = await register(api.url, { txHash, kind: 'order' })
    await publish(JSON.stringify({ v: 1, id: body.id, chain: 'kaia', txHash, retry_count: 0 }), 30)
    await world.start('worker', { RETRY_DELAYS_MS: '100,200', RETRY_LIMIT: '4' })
    await world.start('worker', { RETRY_DELAYS_MS: '100,200', RETRY_LIMIT: '4' })
    const row = await untilStatus(world.db, txHash, 'stalled')
    expect(row).toMatchObject({ retry_count: 4 })
    const waited = (row['stalled_at'] as Date).getTime() - (row['created_at'] as Date).getTime()
    expect(waited).toBeGreaterThanOrEqual(100 + 3 * 200)
    expect(await eventsOf(world.db, body.id)).toHaveLength(1)
  })

  it('two workers with the same message commit once', async () => {
    await world.stopAll()
    const api = await world.start('api')
    const hashes = Array.from({ length: 20 }, randomHash)
    for (const txHash of hashes) {
      world.node.include(txHash)
      const { body } = await register(api.url, { txHash, kind: 'order' })
      await publish(JSON.stringify({ v: 1, id: body.id, chain: 'kaia', txHash, retry_count: 0 }), 10)
    }
    await Promise.all([world.start('worker'), world.start('worker'), world.start('worker')])
    for (const txHash of hashes) await untilStatus(world.db, txHash, 'confirmed')
    await until('every copy is done with', async () => (await depth(names.checkQueue)) === 0)
    await world.stopAll()
    expect(await world.db('orders')).toHaveLength(hashes.length)
    expect(await world.db('confirmd.outbox')).toHaveLength(hashes.length)
  })

  it.each([
    ['garbage', 'not json', 'the message is not JSON'],
    ['a hash that is none', '{"txHash":"0x1"}', 'txHash'],
    [
      'a payload with a number that would lose digits',
      `{"txHash":"0x${'1'.repeat(64)}","payload":{"items":[{"amount":1234.567890123456789012}]}}`,
      'payload.items[0].amount is a number that would lose digits',
    ],
    [
      'an id that nobody recorded',
      `{"v":1,"id":"01a1fcf8-4105-7698-b979-e1c3f217e56c"}`,
      'no transaction with id',
    ],
  ])('%s is parked as it was, with the reason', async (_title, content, reason) => {
    await publish(content)
    const parked = await takeParked()
    expect(parked.content).toBe(content)
    expect(parked.reason).toContain(reason)
  })

  it('a known hash with other content is parked, and the row stays as it is', async () => {
    const txHash = randomHash()
    await publish(JSON.stringify({ txHash, kind: 'order', payload: 1 }))
    const before = await untilRow(world.db, txHash, 'recorded', () => true)
    await publish(JSON.stringify({ txHash, kind: 'order', payload: 2 }))
    expect((await takeParked()).reason).toContain(`${txHash} is recorded already`)
    const after = await world.db('confirmd.transaction_history').where({ tx_hash: txHash }).first()
    expect(after).toMatchObject({ payload: before['payload'] })
  })

  it('a message of an unknown version waits for a newer worker, unchanged', async () => {
    const content = JSON.stringify({ v: 2, id: 'whatever', more: [1, 2] })
    await publish(content)
    await until('it waits on the longest tier', async () => (await depth(names.waitQueue(200))) === 1)
    await world.stopAll()
    await until('it comes back', async () => (await depth(names.checkQueue)) === 1)
    const message = await withChannel(amqpUrl(), (channel) => channel.get(names.checkQueue, { noAck: true }))
    expect(message ? message.content.toString() : 'no message').toBe(content)
  })

  it('a parked transaction leaves no message: the row says why, and a recheck publishes it again', async () => {
    await world.stopAll()
    await world.db('refusals').insert({ reason: 'test' })
    const { url } = await world.start('start', { HANDLER_RETRY_LIMIT: '1' })
    const txHash = randomHash()
    world.node.include(txHash)
    const { body } = await register(url, { txHash, kind: 'picky' })
    const row = await untilRow(world.db, txHash, 'parked', (each) => each['parked_at'] !== null)
    expect(row['last_error']).toContain('refused by the test')
    expect(await depth(names.checkQueue)).toBe(0)
    expect(await depth(names.parkedQueue)).toBe(0)
    await world.db('refusals').delete()
    await fetch(`${url}/v1/transactions/${body.id}/recheck`, { method: 'POST' })
    await untilStatus(world.db, txHash, 'confirmed')
  })

  it('the correlation id of the request goes through the message and every log line', async () => {
    const api = await world.start('api')
    const txHash = randomHash()
    await fetch(`${api.url}/v1/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'order-42' },
      body: JSON.stringify({ txHash }),
    })
    await untilRow(world.db, txHash, 'waiting', (row) => Number(row['retry_count']) >= 1)
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    const lines = () => [...api.log, ...worker.log].filter((line) => line['txHash'] === txHash)
    await until('the end is logged', () => lines().some((line) => line.msg === 'transaction confirmed'))
    expect(lines().map((line) => line['correlationId'])).toEqual(lines().map(() => 'order-42'))
    expect(lines().map((line) => line.msg)).toEqual(
      expect.arrayContaining(['transaction recorded', 'transaction waiting', 'transaction confirmed']),
    )
  })
})
