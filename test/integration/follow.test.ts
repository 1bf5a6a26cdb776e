import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { countOrders, createOrderTables, eventsOf, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

/** So long that nothing but the follower can be what settled a row within a test. */
const NEVER_MS = '600000'

describe('the block follower', () => {
  let world: World
  let second: ScriptedNode

  beforeAll(async () => {
    world = await createWorld('table', {
      FOLLOW_BLOCKS: 'on',
      HANDLERS: ORDER_HANDLERS,
      RETRY_DELAYS_MS: NEVER_MS,
      STALLED_CHECK_INTERVAL_MS: NEVER_MS,
      SWEEP_INTERVAL_MS: NEVER_MS,
      HANDLER_TIMEOUT_MS: '1000',
    })
    await createOrderTables(world.db)
    second = await startScriptedNode()
  })
  beforeEach(async () => {
    world.node.fault = () => null
    await world.db.raw(
      'TRUNCATE confirmd.transaction_history, confirmd.outbox, confirmd.webhook_deliveries, confirmd.webhook_attempts, orders, refusals, confirmd.chain_cursors',
    )
  })
  afterEach(() => world.stopAll())
  afterAll(async () => {
    await world.close()
    await second.stop()
  })

  /** Registered, looked at once in vain, and not looked at again for ten minutes. */
  async function waiting(url: string, kind = 'order'): Promise<string> {
    const txHash = randomHash()
    expect((await register(url, { txHash, kind })).status).toBe(202)
    await untilRow(world.db, txHash, 'it waits', (row) => row['retry_count'] === 1)
    return txHash
  }

  /** Whether the follower of any process has come as far as the node's head. */
  async function untilFollowed(): Promise<void> {
    await until('a block is followed', async () => {
      const cursor = await world.db('confirmd.chain_cursors').first()
      return cursor !== undefined && Number(cursor.block_number) >= world.node.head()
    })
  }

  const processes = () =>
    world.db('pg_stat_activity').where({ application_name: 'confirmd leader', datname: world.database.name })

  async function leaderPid(): Promise<number | undefined> {
    const { rows } = await world.db.raw<{ rows: { pid: number }[] }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
    return rows[0]?.pid
  }

  it('settles what a block holds while no check is due, with the business write and the event', async () => {
    const { url } = await world.start()
    const [good, bad] = [await waiting(url, 'both'), await waiting(url, 'both')]
    world.node.include(good)
    world.node.include(bad, { succeeded: false, txError: '0x9' })
    await untilStatus(world.db, good, 'confirmed')
    const failed = await untilStatus(world.db, bad, 'failed')
    expect(failed).toMatchObject({ failure_code: '0x9', retry_count: 1 })
    expect(await countOrders(world.db, good)).toBe(1)
    expect((await eventsOf(world.db, failed['id'])).map(({ status }) => status)).toEqual(['failed'])
  })

  it('settles stalled and expired rows whose transaction appears late', async () => {
    const { url } = await world.start()
    const [stalled, expired] = [await waiting(url), await waiting(url)]
    await world.db('confirmd.transaction_history').where({ tx_hash: stalled }).update({ status: 'stalled' })
    await world
      .db('confirmd.transaction_history')
      .where({ tx_hash: expired })
      .update({ status: 'expired', next_check_at: null })
    world.node.include(stalled)
    world.node.include(expired)
    await untilStatus(world.db, stalled, 'confirmed')
    await untilStatus(world.db, expired, 'confirmed')
    expect(await countOrders(world.db, expired)).toBe(1)
  })

  it('leaves parked rows to the recheck that a person asks for', async () => {
    const { url } = await world.start()
    const [parked, other] = [await waiting(url), await waiting(url)]
    await world
      .db('confirmd.transaction_history')
      .where({ tx_hash: parked })
      .update({ parked_at: new Date() })
    world.node.include(parked)
    world.node.include(other)
    await untilStatus(world.db, other, 'confirmed')
    await untilFollowed()
    await untilStatus(world.db, parked, 'pending')
  })

  it('makes up for the blocks of a pause, from its cursor on', async () => {
    const first = await world.start()
    const txHash = await waiting(first.url)
    await untilFollowed()
    await first.stop()
    world.node.include(txHash)
    world.node.mine(150)
    await world.start('worker')
    await untilStatus(world.db, txHash, 'confirmed')
  })

  it('begins with the blocks since the oldest open row where it never followed before', async () => {
    const api = await world.start('api')
    const txHash = randomHash()
    await register(api.url, { txHash, kind: 'order' })
    await world.db('confirmd.transaction_history').update({ next_check_at: new Date(Date.now() + 600_000) })
    world.node.include(txHash)
    world.node.mine(30)
    await world.start('worker')
    await untilStatus(world.db, txHash, 'confirmed')
  })

  it('says how many blocks it skips if they are too many', async () => {
    await world.db('confirmd.chain_cursors').insert({ chain: 'kaia', block_number: 0 })
    const api = await world.start('api')
    await register(api.url, { txHash: randomHash() })
    world.node.mine(20_000)
    const worker = await world.start('worker')
    await untilFollowed()
    const skipped = worker.log.find(({ msg }) => msg.startsWith('blocks skipped'))
    expect(skipped).toMatchObject({ chain: 'kaia', blocks: expect.any(Number) })
    const metrics = await (await fetch(`${worker.url}/metrics`)).text()
    expect(metrics).toContain(`confirmd_follow_skipped_blocks_total ${skipped?.['blocks']}`)
  })

  it('is one process of all, and another takes over when its connection or the process ends', async () => {
    const { url } = await world.start()
    await world.start('worker')
    const before = await until('one leads', leaderPid)
    await until('both want to lead', async () => (await processes()).length === 2)
    await world.db.raw('SELECT pg_terminate_backend(?)', [before])
    await until('another connection leads', async () => {
      const pid = await leaderPid()
      return pid !== undefined && pid !== before
    })
    const txHash = await waiting(url)
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
  })

  it('goes on at another node when its own fails or stands still, and notes no verdict of one on another chain', async () => {
    const third = await startScriptedNode()
    try {
      third.chainId = 1
      const txHash = randomHash()
      const { url, log } = await world.start('start', {
        RPC_URLS: `${third.url},${world.node.url},${second.url}`,
      })
      await register(url, { txHash, kind: 'order' })
      await untilRow(world.db, txHash, 'it waits', (row) => row['retry_count'] === 1)
      third.include(txHash, { succeeded: false })
      await untilFollowed()
      world.node.fault = () => ({ kind: 'status', status: 500 })
      second.mine(world.node.head() - second.head())
      second.include(txHash)
      await untilStatus(world.db, txHash, 'confirmed')
      expect(log.some(({ msg }) => msg.startsWith('node not used'))).toBe(true)
    } finally {
      await third.stop()
    }
  })

  it('does not take a receipt of another block than the one it read', async () => {
    const { url } = await world.start()
    const [odd, other] = [await waiting(url), await waiting(url)]
    world.node.fault = (method) => {
      if (method !== 'klay_getTransactionReceipt' && method !== 'klay_getBlockReceipts') return null
      return { kind: 'result', result: method === 'klay_getBlockReceipts' ? [] : null }
    }
    world.node.include(odd)
    await until('it says that receipts are missing', async () => {
      const cursor = await world.db('confirmd.chain_cursors').first()
      return Number(cursor?.block_number) >= world.node.head()
    })
    await untilStatus(world.db, odd, 'pending')
    world.node.fault = () => null
    world.node.include(other)
    await untilStatus(world.db, other, 'confirmed')
  })

  it('leaves a business write that throws to the check, counted and with its reason', async () => {
    const { url, log } = await world.start()
    await world.db('refusals').insert({ reason: 'not now' })
    const [refused, good] = [await waiting(url, 'picky'), await waiting(url, 'order')]
    world.node.include(refused)
    world.node.include(good)
    await untilStatus(world.db, good, 'confirmed')
    await until('the refusal is said', () =>
      log.some(({ msg }) => msg.startsWith('verdict and business write')),
    )
    const row = await untilStatus(world.db, refused, 'pending')
    expect(row).toMatchObject({ handler_attempts: 1, retry_count: 1 })
    expect(row['last_error']).toContain('refused by the test')
    expect(await countOrders(world.db, refused)).toBe(0)
    await world.db('refusals').delete()
    await world
      .db('confirmd.transaction_history')
      .where({ tx_hash: refused })
      .update({ next_check_at: new Date() })
    await untilStatus(world.db, refused, 'confirmed')
    expect(await countOrders(world.db, refused)).toBe(1)
  })

  it('waits for the depth of finality', async () => {
    const { url } = await world.start('start', { FINALITY_DEPTH_BLOCKS: '3' })
    const txHash = await waiting(url)
    world.node.include(txHash)
    world.node.mine(2)
    await until(
      'the node was asked for its next block',
      async () => world.node.asked('klay_getBlockByNumber') > 5,
    )
    await untilStatus(world.db, txHash, 'pending')
    world.node.mine(1)
    await untilStatus(world.db, txHash, 'confirmed')
  })
})
