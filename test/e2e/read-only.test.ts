import { afterEach, beforeEach, expect, it } from 'vitest'
import { type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import { describeOnEachQueue } from '../support/broker.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'

/** Node's permission model: every write to a file throws. Processes and threads are started, so that is allowed. */
const NO_WRITES =
  '--no-warnings --experimental-permission --allow-fs-read=* --allow-child-process --allow-worker'

describeOnEachQueue('on a root file system that is read-only', (kind) => {
  let world: World
  const processes: RoleProcess[] = []
  beforeEach(async () => {
    world = await createWorld(kind, { HANDLERS: ORDER_HANDLERS, FOLLOW_BLOCKS: 'on' })
    await createOrderTables(world.db)
  })
  afterEach(async () => {
    for (const each of processes.splice(0)) await each.stop()
    await world.close()
  })

  it('the API and a worker take a transaction to its business write, and stop in good order', async () => {
    const environment = { ...world.environment, NODE_ENV: 'production', NODE_OPTIONS: NO_WRITES }
    for (const role of ['api', 'worker'] as const) processes.push(await startRole(role, environment))
    const txHash = randomHash()
    world.node.include(txHash)
    expect((await register(processes[0]?.url ?? '', { txHash, kind: 'order' })).status).toBe(202)
    await untilStatus(world.db, txHash, 'confirmed')
    for (const each of processes.splice(0)) expect(await each.stop()).toBe(0)
  })

  it('a role that writes would be found out', async () => {
    // `start` without a database makes one on disk.
    const { DATABASE_URL: _, ...environment } = world.environment
    const starting = startRole('start', { ...environment, DATABASE_URL: '', NODE_OPTIONS: NO_WRITES })
    await expect(starting).rejects.toThrow('ERR_ACCESS_DENIED')
  })
})
