import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createStore } from '../../src/store/store.ts'
import { register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import {
  createFollowingWorld,
  forgetAll,
  registerEnded,
  registerWaiting,
  untilFollowed,
} from '../support/following.ts'
import { countOrders } from '../support/orders.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const OTHER_HASH = `0x${'f'.repeat(64)}`

describe('where the follower begins', () => {
  let world: World

  beforeAll(async () => {
    world = await createFollowingWorld()
  })
  beforeEach(() => forgetAll(world))
  afterEach(() => world.stopAll())
  afterAll(() => world.close())

  const begins = (log: readonly { msg: string }[]) => log.find(({ msg }) => msg === 'following the chain')

  it('right after the cursor, so that what ended is confirmed though it was included while nobody followed', async () => {
    const first = await world.start()
    const ended = [
      await registerEnded(world, first.url, 'expired'),
      await registerEnded(world, first.url, 'replaced'),
    ]
    await untilFollowed(world)
    await first.stop()
    for (const txHash of ended) world.node.include(txHash)
    world.node.mine(30)
    await world.start('worker')
    for (const txHash of ended) {
      await untilStatus(world.db, txHash, 'confirmed')
      expect(await countOrders(world.db, txHash)).toBe(1)
    }
  })

  it('with the newest blocks of a gap that is too large; what ended is checked once', async () => {
    const first = await world.start()
    const expired = await registerEnded(world, first.url, 'expired')
    const replaced = await registerEnded(world, first.url, 'replaced')
    await untilFollowed(world)
    await first.stop()
    const cursor = world.node.head()
    world.node.include(expired)
    world.node.include(replaced)
    world.node.mine(50)
    const limits = { maxGapBlocks: 20, gapCheckSpreadMs: 1 }
    const { url, log } = await world.start('worker', { SWEEP_INTERVAL_MS: '100' }, limits)
    await untilStatus(world.db, expired, 'confirmed')
    await untilRow(
      world.db,
      replaced,
      'checked once',
      (row) => row['next_check_at'] !== null || row['status'] === 'confirmed',
    )
    await untilFollowed(world)
    expect(log.find(({ msg }) => msg.startsWith('blocks skipped'))).toMatchObject({
      from: cursor + 1,
      to: cursor + 32,
      blocks: 32,
      checks: 2,
    })
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('confirmd_follow_skipped_blocks_total 32')
  })

  it('schedules the checks of a gap in batches, each at a time of its own, and leaves those that come sooner', async () => {
    const { url } = await world.start('api')
    await Promise.all(Array.from({ length: 5 }, () => register(url, { txHash: randomHash() })))
    const soon = new Date(Date.now() + 1_000)
    const { db } = world
    await db('confirmd.transaction_history').update({ status: 'replaced', next_check_at: null })
    const [checkedSoon, parked] = await db('confirmd.transaction_history').select('id').orderBy('id')
    await db('confirmd.transaction_history').where({ id: checkedSoon.id }).update({ next_check_at: soon })
    await db('confirmd.transaction_history').where({ id: parked.id }).update({ parked_at: soon })
    const store = createStore(db, { chain: 'kaia' })
    expect(await store.scheduleEndedChecks('kaia', { spreadMs: 600_000, batchSize: 2 })).toBe(3)
    expect(await store.scheduleEndedChecks('other', { spreadMs: 600_000, batchSize: 2 })).toBe(0)
    const rows = await db('confirmd.transaction_history')
      .select('id', 'next_check_at')
      .orderBy('next_check_at')
    expect(rows[0]).toMatchObject({ id: checkedSoon.id, next_check_at: soon })
    expect(rows.at(-1)).toMatchObject({ id: parked.id, next_check_at: null })
    expect(new Set(rows.map((row) => String(row.next_check_at?.getTime()))).size).toBe(5)
  })

  it('not at a newest block that a node only claims to have', async () => {
    const first = await world.start()
    const txHash = await registerWaiting(world, first.url)
    await untilFollowed(world)
    await first.stop()
    world.node.include(txHash)
    const claimed = {
      number: '0xf4240',
      hash: OTHER_HASH,
      parentHash: OTHER_HASH,
      timestamp: `0x${Math.floor(Date.now() / 1000).toString(16)}`,
    }
    world.node.fault = (method, [tag]) =>
      method === 'klay_getHeaderByNumber' && tag === 'latest' ? { kind: 'result', result: claimed } : null
    const { log } = await world.start('worker', {}, { giveUpMs: 60_000 })
    await until('it is said', () => log.some(({ msg }) => msg.startsWith('chain not followed')))
    expect(Number((await world.db('confirmd.chain_cursors').first()).block_number)).toBeLessThan(
      world.node.head(),
    )
    world.node.fault = () => null
    await untilStatus(world.db, txHash, 'confirmed')
    expect(log.some(({ msg }) => msg.startsWith('blocks skipped'))).toBe(false)
    expect(begins(log)).toBeDefined()
  })

  it('with a check of all that ended where nobody followed before', async () => {
    const api = await world.start('api')
    await register(api.url, { txHash: randomHash() })
    await world.db('confirmd.transaction_history').update({ status: 'expired', next_check_at: null })
    await world.start('worker')
    const [row] = await world.db('confirmd.transaction_history')
    await untilRow(world.db, row.tx_hash, 'scheduled', (each) => each['next_check_at'] !== null)
  })
})

describe('the cursor goes back', () => {
  let world: World
  let node: ScriptedNode

  beforeAll(async () => {
    world = await createFollowingWorld()
  })
  beforeEach(async () => {
    await forgetAll(world)
    node = await startScriptedNode()
  })
  afterEach(async () => {
    await world.stopAll()
    await node.stop()
  })
  afterAll(() => world.close())

  const wentBack = (log: readonly { msg: string }[]) =>
    log.find(({ msg }) => msg.startsWith('a followed block is not on the chain any more'))

  async function cursorHash(): Promise<string> {
    return (await world.db('confirmd.chain_cursors').first()).block_hash
  }

  async function untilFollowedOf(followed: ScriptedNode): Promise<void> {
    await until('the newest block is followed', async () => {
      const cursor = await world.db('confirmd.chain_cursors').first()
      return cursor !== undefined && Number(cursor.block_number) === followed.head()
    })
  }

  it('to the last common block when another fork was followed, and what it lacked is found', async () => {
    const { url, log } = await world.start('start', { RPC_URLS: node.url })
    const expired = await registerEnded(world, url, 'expired')
    await untilFollowedOf(node)
    const common = node.head()
    node.mine(10)
    await untilFollowedOf(node)
    const followedHash = await cursorHash()
    node.fork(common + 1)
    node.include(expired)
    node.mine(20)
    await untilStatus(world.db, expired, 'confirmed')
    await untilFollowedOf(node)
    expect(wentBack(log)).toMatchObject({
      blockNumber: common + 10,
      followedHash,
      foundHash: expect.any(String),
    })
  })

  it('as far as a gap may be when it was another fork before the start', async () => {
    const first = await world.start('start', { RPC_URLS: node.url })
    const expired = await registerEnded(world, first.url, 'expired')
    node.mine(10)
    await untilFollowedOf(node)
    await first.stop()
    node.fork(node.head() - 8)
    node.include(expired)
    node.mine(20)
    const { log } = await world.start('worker', { RPC_URLS: node.url }, { maxGapBlocks: 50 })
    await untilStatus(world.db, expired, 'confirmed')
    await untilFollowedOf(node)
    expect(wentBack(log)).toMatchObject({ blocks: 51 })
  })

  it('without waiting for a new block when the newest one is of another fork', async () => {
    const first = await world.start('start', { RPC_URLS: node.url })
    const expired = await registerEnded(world, first.url, 'expired')
    node.mine(2)
    await untilFollowedOf(node)
    await first.stop()
    node.fork(node.head())
    node.include(expired)
    await world.start('worker', { RPC_URLS: node.url }, { maxGapBlocks: 50 })
    await untilStatus(world.db, expired, 'confirmed')
  })

  it('when the nodes lack the followed block for long, as after a false head or a chain begun anew', async () => {
    await world
      .db('confirmd.chain_cursors')
      .insert({ chain: 'kaia', block_number: node.head() + 1_000, block_hash: OTHER_HASH })
    const limits = { quietMs: 50, missingMs: 500 }
    const { url, log } = await world.start('start', { RPC_URLS: node.url }, limits)
    await until('it is said', () => log.some(({ msg }) => msg.startsWith('the chain is behind')))
    const txHash = await registerWaiting(world, url)
    node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    await untilFollowedOf(node)
    expect(wentBack(log)).toMatchObject({ followedHash: OTHER_HASH, foundHash: null })
  })

  it('not for a node that is behind for a moment', async () => {
    const { url, log } = await world.start(
      'start',
      { RPC_URLS: node.url },
      { quietMs: 10, missingMs: 60_000 },
    )
    await untilFollowedOf(node)
    node.mine(10)
    await untilFollowedOf(node)
    const cursor = await world.db('confirmd.chain_cursors').first()
    node.lagBlocks = 5
    await until('it is said', () => log.some(({ msg }) => msg.startsWith('the chain is behind')))
    node.lagBlocks = 0
    const txHash = await registerWaiting(world, url)
    node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    expect(wentBack(log)).toBeUndefined()
    expect(Number((await world.db('confirmd.chain_cursors').first()).block_number)).toBeGreaterThan(
      Number(cursor.block_number),
    )
  })
})
