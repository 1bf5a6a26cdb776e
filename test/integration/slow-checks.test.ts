import type { Knex } from 'knex'
import { afterEach, expect, it } from 'vitest'
import { brokerNames } from '../../src/broker/topology.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { createWorld, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { insertRows } from '../support/insert-rows.ts'
import { until } from '../support/until.ts'

const EAGER = { SWEEP_INTERVAL_MS: '100', SWEEP_GRACE_MS: '300', STALLED_CHECK_INTERVAL_MS: '1000' }

const stalled = () => ({
  status: 'stalled',
  retry_count: 10,
  stalled_at: new Date(),
  next_check_at: new Date(Date.now() - 60_000),
})
const lost = () => ({ status: 'pending', next_check_at: new Date(0) })

async function countUnchecked(db: Knex): Promise<number> {
  const [row] = await db('confirmd.transaction_history')
    .where({ status: 'stalled', last_checked_at: null })
    .count('* as count')
  return Number(row?.['count'])
}

describeWithBroker('many stalled transactions', () => {
  let world: World
  afterEach(() => world.close())

  it('do not keep a lost check away, and are not waited for by a stop', async () => {
    world = await createWorld('rabbitmq', EAGER)
    world.node.fault = (method) =>
      method === 'klay_getTransactionByHash' ? { kind: 'slow', delayMs: 100 } : null
    await insertRows(world.db, 1_200, stalled())
    const worker = await world.start('worker')
    await until('they are being checked', () => world.node.asked('klay_getTransactionByHash') > 0)
    const [txHash = ''] = await insertRows(world.db, 1, lost())
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countUnchecked(world.db)).toBeGreaterThan(0)
    await worker.stop()
    expect(await countUnchecked(world.db)).toBeGreaterThan(0)
    // What was begun has ended: nothing is asked any more.
    const checked = 1_200 - (await countUnchecked(world.db))
    expect(world.node.asked('klay_getTransactionReceipt')).toBe(checked + 1)
  })

  it('are each checked by one worker, however long a round takes', async () => {
    world = await createWorld('rabbitmq', EAGER)
    const hashes = await insertRows(world.db, 600, stalled())
    const asked = new Set<string>()
    let askedBeforeASecondTime: number | null = null
    world.node.fault = (method, [txHash]) => {
      if (method !== 'klay_getTransactionReceipt') return null
      if (asked.has(String(txHash))) askedBeforeASecondTime ??= asked.size
      asked.add(String(txHash))
      return { kind: 'slow', delayMs: 100 }
    }
    await world.start('worker')
    await world.start('worker')
    await until('one was asked for again', () => askedBeforeASecondTime)
    // Some are in hand at each of the two.
    expect(askedBeforeASecondTime).toBeGreaterThan(hashes.length - 2 * 32)
  })
})

describeWithBroker('a queue that is always busy', () => {
  let world: World
  afterEach(async () => {
    // What waits for an answer of it would hold the worker's stop up.
    await world.node.stop()
    await world.close()
  })

  it('lets a lost check in', async () => {
    world = await createWorld('rabbitmq', { ...EAGER, WORKER_PREFETCH: '1', RPC_TIMEOUT_MS: '600000' })
    const [hanging = ''] = await insertRows(world.db, 1, lost())
    world.node.fault = (method, [txHash]) =>
      method === 'klay_getTransactionReceipt' && txHash === hanging ? { kind: 'hang' } : null
    await world.start('worker')
    await until('the worker has its only check in hand', () => world.node.looks(hanging).length > 0)
    const { checkQueue } = brokerNames(world.prefix)
    await withChannel(amqpUrl(), async (channel) => {
      const ready = async () => (await channel.checkQueue(checkQueue)).messageCount
      for (let count = 0; count < 150; count++) channel.sendToQueue(checkQueue, Buffer.from('{"v":9}'))
      await until('the queue is busy', async () => (await ready()) >= 150)
      const [txHash = ''] = await insertRows(world.db, 1, lost())
      await untilRow(world.db, txHash, 'published again', (row) => Number(row['next_check_at']) > 0)
      await until('its check is in the queue', async () => (await ready()) > 150)
    })
  })
})
