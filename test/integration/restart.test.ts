import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import {
  findRabbitmqServer,
  type PrivateRabbitmq,
  startPrivateRabbitmq,
} from '../../src/dev/private-rabbitmq.ts'
import { startRole } from '../../src/dev/role-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { openDatabase } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrations.ts'
import {
  amqpUrl,
  deleteTopology,
  describeOnEachQueue,
  describeWithBroker,
  uniquePrefix,
} from '../support/broker.ts'
import {
  createWorld,
  type RunningConfirmd,
  register,
  startConfirmd,
  untilStatus,
  type World,
} from '../support/confirmd.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

describeWithBroker('a restart of the broker', () => {
  let folder: TemporaryFolder
  let rabbitmq: PrivateRabbitmq | null = null
  let world: World | null = null

  afterEach(async () => {
    await world?.stopAll()
    await world?.node.stop()
    await world?.database.drop()
    await rabbitmq?.stop()
    await folder.remove()
  })

  it('is lived through: recording goes on, checks come back, each write is there once', {
    timeout: 120_000,
  }, async () => {
    folder = await createTemporaryFolder()
    const serverPath = await findRabbitmqServer()
    if (!serverPath) throw new Error('this test kills its own broker: install rabbitmq-server')
    rabbitmq = await startPrivateRabbitmq(serverPath, folder.path)
    world = await createWorld('table', {
      AMQP_URL: rabbitmq.url,
      HANDLERS: ORDER_HANDLERS,
      RETRY_LIMIT: '200',
    })
    await createOrderTables(world.db)
    const [api, worker] = [await world.start('api'), await world.start('worker')]
    const before = Array.from({ length: 30 }, randomHash)
    for (const txHash of before) await register(api.url, { txHash, kind: 'order' })
    await rabbitmq.kill()
    await until('the worker knows', async () => (await fetch(`${worker.url}/readyz`)).status === 503)
    const during = Array.from({ length: 10 }, randomHash)
    for (const txHash of during) {
      expect((await register(api.url, { txHash, kind: 'order' })).status).toBe(202)
    }
    for (const txHash of [...before, ...during]) world.node.include(txHash)
    await rabbitmq.restart()
    for (const txHash of [...before, ...during]) await untilStatus(world.db, txHash, 'confirmed')
    expect(await world.db('orders')).toHaveLength(40)
    expect((await fetch(`${worker.url}/readyz`)).status).toBe(200)
  })
})

describeOnEachQueue('a crash of PostgreSQL', (kind) => {
  let folder: TemporaryFolder
  let postgres: EmbeddedPostgres
  let node: ScriptedNode
  let confirmd: RunningConfirmd
  const prefix = uniquePrefix()

  beforeAll(async () => {
    folder = await createTemporaryFolder()
    postgres = await startEmbeddedPostgres({ folder: folder.path })
    node = await startScriptedNode()
    const db = openDatabase({ url: postgres.url, poolMax: 1, applicationName: 'test' })
    await migrate(postgres.url)
    await createOrderTables(db)
    await db.destroy()
    confirmd = await startConfirmd('start', {
      DATABASE_URL: postgres.url,
      RPC_URLS: node.url,
      PORT: '0',
      RETRY_DELAYS_MS: '100',
      RETRY_LIMIT: '500',
      HANDLERS: ORDER_HANDLERS,
      ...(kind === 'rabbitmq' ? { AMQP_URL: amqpUrl(), AMQP_PREFIX: prefix } : {}),
    })
  })
  afterAll(async () => {
    await confirmd.stop()
    if (kind === 'rabbitmq') await deleteTopology(amqpUrl(), prefix, [100])
    await node.stop()
    await postgres.stop()
    await folder.remove()
  })

  it('is lived through: 503 while it lasts, nothing is consumed in vain, then everything goes on once', async () => {
    const hashes = Array.from({ length: 20 }, randomHash)
    for (const txHash of hashes) {
      expect((await register(confirmd.url, { txHash, kind: 'order' })).status).toBe(202)
    }
    await postgres.crash()
    const refused = await until('a request is refused', async () => {
      const answer = await register(confirmd.url, { txHash: randomHash() })
      return answer.status >= 500 && answer
    })
    expect(refused.status).toBe(503)
    expect(refused.body.detail).toContain('never recorded twice')
    const failures = () => confirmd.log.filter((line) => line.msg.startsWith('check not carried out')).length
    if (kind === 'rabbitmq') {
      await until('it consumes no more', async () => {
        const { checks } = (await (await fetch(`${confirmd.url}/readyz`)).json()) as {
          checks: { consumer: string }
        }
        return checks.consumer === 'unavailable'
      })
      // Each check in hand fails at most once, and none is taken again while the outage lasts.
      expect(failures()).toBeLessThanOrEqual(hashes.length)
    }
    for (const txHash of hashes) node.include(txHash)
    await postgres.restart()
    const db = openDatabase({ url: postgres.url, poolMax: 1, applicationName: 'test' })
    for (const txHash of hashes) await untilStatus(db, txHash, 'confirmed')
    expect(await db('orders')).toHaveLength(hashes.length)
    await db.destroy()
    await until('it is ready again', async () => (await fetch(`${confirmd.url}/readyz`)).ok)
  })
})

describeWithBroker('a stop in good order', () => {
  it('is possible while broker and database are away: exit 0', { timeout: 120_000 }, async () => {
    const folder = await createTemporaryFolder()
    const serverPath = await findRabbitmqServer()
    if (!serverPath) throw new Error('this test kills its own broker: install rabbitmq-server')
    const rabbitmq = await startPrivateRabbitmq(serverPath, folder.path)
    const postgres = await startEmbeddedPostgres({ folder: folder.path })
    const node = await startScriptedNode()
    try {
      const environment = {
        DATABASE_URL: postgres.url,
        AMQP_URL: rabbitmq.url,
        RPC_URLS: node.url,
        RETRY_DELAYS_MS: '100',
        RETRY_LIMIT: '500',
      }
      const processes = [await startRole('start', environment), await startRole('worker', environment)]
      const url = processes[0]?.url ?? ''
      for (let count = 0; count < 50; count++) await register(url, { txHash: randomHash() })
      await rabbitmq.kill()
      await postgres.crash()
      expect(await Promise.all(processes.map((each) => each.stop()))).toEqual([0, 0])
    } finally {
      await node.stop()
      await postgres.stop()
      await rabbitmq.stop()
      await folder.remove()
    }
  })
})
