import { afterEach, beforeEach, expect, it } from 'vitest'
import { type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import { describeOnEachQueue } from '../support/broker.ts'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { countOrders, createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'

describeOnEachQueue('a business write that never yields', (queue) => {
  let world: World
  let worker: RoleProcess | null = null
  beforeEach(async () => {
    world = await createWorld(queue, {
      HANDLERS: ORDER_HANDLERS,
      HANDLER_TIMEOUT_MS: '100',
      HANDLER_RETRY_LIMIT: '1',
      SWEEP_INTERVAL_MS: '200',
      SWEEP_GRACE_MS: '1000',
    })
    await createOrderTables(world.db)
  })
  afterEach(async () => {
    await worker?.stop()
    await world.close()
  })

  it('ends its process, with a log line that names it; it is parked, and the others go on', async () => {
    const api = await world.start('api')
    const [endless, order] = [randomHash(), randomHash()]
    world.node.include(endless)
    const { body } = await register(api.url, { txHash: endless, kind: 'endless' })
    // Once without a count, in which it shares a database transaction with others; once counted.
    for (let life = 0; life < 2; life++) {
      worker = await startRole('worker', world.environment)
      expect(await worker.ended).not.toBe(0)
      const last = worker.log.at(-1)
      expect(last?.msg).toMatch(/event loop stood still/)
      expect(last?.['writes']).toContain(body.id)
      expect(last?.['writes']).toContain("kind 'endless'")
    }
    worker = await startRole('worker', world.environment)
    const row = await untilRow(world.db, endless, 'parked', (each) => each['parked_at'] !== null)
    expect(row).toMatchObject({ status: 'pending', park_code: 'write-failed', handler_attempts: 1 })
    expect(row['last_error']).toMatch(/the process died/)
    world.node.include(order)
    await register(api.url, { txHash: order, kind: 'order' })
    await untilStatus(world.db, order, 'confirmed')
    expect(await countOrders(world.db, order)).toBe(1)
  })
})
