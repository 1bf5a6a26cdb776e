import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { lead } from '../../src/store/leadership.ts'
import { untilStatus, type World } from '../support/confirmd.ts'
import { createTestDatabase } from '../support/database.ts'
import { createFollowingWorld, forgetAll, registerWaiting } from '../support/following.ts'
import { until } from '../support/until.ts'

/** Nothing listens there. */
const DEAD_NODE = 'http://127.0.0.1:1'

describe('the lead to follow the chain', () => {
  let world: World

  beforeAll(async () => {
    world = await createFollowingWorld()
  })
  beforeEach(() => forgetAll(world))
  afterEach(() => world.stopAll())
  afterAll(() => world.close())

  async function hasLeader(): Promise<boolean> {
    const { rows } = await world.db.raw<{ rows: unknown[] }>(
      `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
    return rows.length > 0
  }

  it('passes from a worker whose nodes are dead to one that can follow', async () => {
    const sick = await world.start('worker', { RPC_URLS: DEAD_NODE }, { giveUpMs: 2_000 })
    await until('the one with the dead node leads', hasLeader)
    const { url } = await world.start()
    const txHash = await registerWaiting(world, url)
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    const given = sick.log.filter(({ msg }) => msg.startsWith('the lead to follow the chain is given up'))
    expect(given).toHaveLength(1)
    expect(JSON.stringify(given[0]?.['err'])).toContain('no node can be followed')
  })

  it('is not given up for a block that can not be read while newer ones can', async () => {
    const { url, log } = await world.start('start', {}, { unreadableMs: 500, giveUpMs: 600 })
    const txHash = await registerWaiting(world, url)
    const unreadable = world.node.head() + 1
    world.node.fault = (method, [blockNumber]) =>
      method === 'klay_getBlockByNumber' && Number(blockNumber) === unreadable
        ? { kind: 'error', code: -32000, message: 'this block is broken' }
        : null
    world.node.mine(2)
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    expect(log.some(({ msg }) => msg.startsWith('the lead to follow the chain is given up'))).toBe(false)
  })

  it('is not taken on a database that can only be read, as a primary is that came back as a standby', async () => {
    const { name, url, db, drop } = await createTestDatabase()
    try {
      await db.raw('ALTER DATABASE ?? SET default_transaction_read_only = on', [name])
      const work = vi.fn<() => Promise<void>>()
      const { signal } = new AbortController()
      await expect(lead(url, 'test', work, signal)).rejects.toThrow('the database can only be read')
      expect(work).not.toHaveBeenCalled()
    } finally {
      await drop()
    }
  })
})
