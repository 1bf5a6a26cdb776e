import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startRole } from '../../src/dev/role-process.ts'
import { untilRow, untilStatus, type World } from '../support/confirmd.ts'
import {
  createFollowingWorld,
  forgetAll,
  registerEnded,
  registerWaiting,
  untilFollowed,
} from '../support/following.ts'
import { countOrders } from '../support/orders.ts'
import { until } from '../support/until.ts'

describe('nothing that one transaction or one block does holds up the follower', () => {
  let world: World

  beforeAll(async () => {
    world = await createFollowingWorld()
  })
  beforeEach(() => forgetAll(world))
  afterEach(() => world.stopAll())
  afterAll(() => world.close())

  async function writeRuns(): Promise<number> {
    const { last_value, is_called } = await world.db('write_runs').first()
    return is_called ? Number(last_value) : 0
  }

  const isDue = ({ next_check_at }: Record<string, unknown>) =>
    next_check_at instanceof Date && next_check_at.getTime() <= Date.now()

  /** Holds what the kind `picky` reads, so that its business write does not return; give it back with `rollback`. */
  async function holdRefusals() {
    const holding = await world.db.transaction()
    await holding.raw('LOCK TABLE refusals IN ACCESS EXCLUSIVE MODE')
    return holding
  }

  const untilWriteHangs = () =>
    until('the business write hangs', async () => {
      const { rows } = await world.db.raw<{ rows: unknown[] }>(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'refusals'::regclass",
      )
      return rows.length > 0
    })

  it('not a business write that fails at every COMMIT; a restart does not meet it again', async () => {
    const first = await world.start()
    const [failing, later] = [
      await registerWaiting(world, first.url, 'uncommittable'),
      await registerWaiting(world, first.url),
    ]
    const runsBefore = await writeRuns()
    world.node.include(failing)
    world.node.include(later)
    await untilStatus(world.db, later, 'confirmed')
    await untilFollowed(world)
    await until('the business write has run', async () => (await writeRuns()) > runsBefore)
    await first.stop()
    const runs = await writeRuns()
    const second = await world.start()
    const next = await registerWaiting(world, second.url)
    world.node.include(next)
    await untilStatus(world.db, next, 'confirmed')
    await untilFollowed(world)
    await second.stop()
    expect(await writeRuns()).toBe(runs)
    await untilStatus(world.db, failing, 'pending')
  })

  it('not a business write that does not return', async () => {
    const { url } = await world.start()
    const [hanging, later] = [await registerWaiting(world, url, 'picky'), await registerWaiting(world, url)]
    const holding = await holdRefusals()
    try {
      world.node.include(hanging)
      await untilWriteHangs()
      world.node.include(later)
      await untilStatus(world.db, later, 'confirmed')
      await untilFollowed(world)
      await untilStatus(world.db, hanging, 'pending')
    } finally {
      await holding.rollback()
    }
    await untilStatus(world.db, hanging, 'confirmed')
    expect(await countOrders(world.db, hanging)).toBe(1)
  })

  it('not a business write that ends the process: the next process passes, and the check of the row is due', async () => {
    const api = await world.start('api')
    const before = await startRole('worker', world.environment)
    await untilFollowed(world)
    const deadly = await registerWaiting(world, api.url, 'deadly')
    await world.db('confirmd.transaction_history').update({ status: 'expired', next_check_at: null })
    world.node.include(deadly)
    await before.ended
    const left = await untilRow(world.db, deadly, 'due', isDue)
    expect(left['status']).toBe('expired')
    // What the queue does with it is not looked at here.
    await world.db('confirmd.transaction_history').update({ next_check_at: null })
    const after = await startRole('worker', world.environment)
    try {
      const later = await registerWaiting(world, api.url)
      world.node.include(later)
      await untilStatus(world.db, later, 'confirmed')
      await untilFollowed(world)
      expect(after.isRunning()).toBe(true)
    } finally {
      await after.stop()
    }
  })

  it('not a block that no node can give: it is skipped and said so, and what ended is checked once more', async () => {
    const first = await world.start()
    const [before, later] = [await registerWaiting(world, first.url), await registerWaiting(world, first.url)]
    const expired = await registerEnded(world, first.url, 'expired')
    await untilFollowed(world)
    await first.stop()
    world.node.include(before)
    world.node.include(expired)
    const unreadable = world.node.head()
    world.node.fault = (method, [blockNumber]) =>
      method === 'klay_getBlockByNumber' && Number(blockNumber) === unreadable
        ? { kind: 'error', code: -32000, message: 'this block is broken' }
        : null
    world.node.mine(3)
    world.node.include(later)
    const second = await world.start('worker', {}, { unreadableMs: 600, giveUpMs: 60_000 })
    await untilStatus(world.db, later, 'confirmed')
    await untilStatus(world.db, before, 'confirmed')
    const skipped = second.log.find(({ msg }) => msg.startsWith('blocks skipped'))
    expect(skipped).toMatchObject({ from: unreadable, to: unreadable, blocks: 1, checks: 1 })
    expect(JSON.stringify(skipped?.['err'])).toContain('this block is broken')
    const metrics = await (await fetch(`${second.url}/metrics`)).text()
    expect(metrics).toContain('confirmd_follow_skipped_blocks_total 1')
    await untilRow(world.db, expired, 'scheduled', (row) => row['next_check_at'] !== null)
    await untilFollowed(world)
    await second.stop()
    const { log } = await world.start('worker')
    await until('it follows', () => log.some(({ msg }) => msg === 'following the chain'))
    expect(log.find(({ msg }) => msg === 'following the chain')?.['first']).toBeGreaterThan(unreadable)
  })

  it('not a row that somebody has locked', async () => {
    const { url } = await world.start()
    const [locked, later] = [await registerEnded(world, url, 'expired'), await registerWaiting(world, url)]
    const holding = await world.db.transaction()
    try {
      await holding('confirmd.transaction_history').where({ tx_hash: locked }).forUpdate()
      world.node.include(locked)
      await untilFollowed(world)
      world.node.include(later)
      await untilStatus(world.db, later, 'confirmed')
    } finally {
      await holding.rollback()
    }
    await untilStatus(world.db, locked, 'confirmed')
  })

  it('not receipts that the node does not give: the transactions are left to the queue', async () => {
    const { url, log } = await world.start()
    const [expired, later] = [await registerEnded(world, url, 'expired'), await registerWaiting(world, url)]
    world.node.fault = (method, [first]) =>
      (method === 'klay_getTransactionReceipt' && first === expired) || method === 'klay_getBlockReceipts'
        ? { kind: 'error', code: -32000, message: 'receipts are broken' }
        : null
    world.node.include(expired)
    world.node.include(later)
    await untilStatus(world.db, later, 'confirmed')
    await untilFollowed(world)
    await untilRow(world.db, expired, 'due', isDue)
    await until('it is said', () => log.some(({ msg }) => msg.startsWith('receipts not found')))
  })

  it('not as many slow business writes as may be in flight: what comes then is left to the queue', async () => {
    const { url, log } = await world.start('start', {}, { maxInFlight: 2, inFlightPatienceMs: 50 })
    const hanging = [await registerWaiting(world, url, 'picky'), await registerWaiting(world, url, 'picky')]
    const [expired, last] = [await registerEnded(world, url, 'expired'), await registerWaiting(world, url)]
    const holding = await holdRefusals()
    try {
      for (const txHash of hanging) world.node.include(txHash)
      await untilWriteHangs()
      await untilFollowed(world)
      world.node.include(expired)
      await untilFollowed(world)
      await untilRow(world.db, expired, 'due', isDue)
      await until('it is said', () => log.some(({ msg }) => msg.startsWith('too many transactions')))
    } finally {
      await holding.rollback()
    }
    for (const txHash of hanging) await untilStatus(world.db, txHash, 'confirmed')
    world.node.include(last)
    await untilStatus(world.db, last, 'confirmed')
    await untilStatus(world.db, expired, 'expired')
  })
})
