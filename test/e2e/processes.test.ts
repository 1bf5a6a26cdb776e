import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import { amqpUrl, describeOnEachQueue, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { createTestDatabase } from '../support/database.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const MAIN = 'dist/main.js'

/** Runs a command that ends by itself; the environment holds nothing of ours but what is given. */
async function confirmd(command: string, given: Record<string, string> = {}) {
  const { PATH = '', HOME = '' } = process.env
  const environment = { PATH, HOME, ...given }
  return promisify(execFile)(process.execPath, [MAIN, command], { env: environment }).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      output: error.stdout + error.stderr,
    }),
  )
}

describeOnEachQueue('processes', (kind) => {
  let world: World
  let processes: RoleProcess[]

  beforeEach(async () => {
    world = await createWorld(kind, { HANDLERS: ORDER_HANDLERS, RETRY_LIMIT: '500' })
    await createOrderTables(world.db)
    processes = []
  })
  afterEach(async () => {
    for (const each of processes) await each.stop()
    await world.close()
  })

  async function start(role: 'api' | 'worker'): Promise<RoleProcess> {
    const started = await startRole(role, world.environment)
    processes.push(started)
    if (role === 'worker') await until('it is ready', async () => (await fetch(`${started.url}/readyz`)).ok)
    return started
  }

  async function registerAll(url: string, hashes: readonly string[]): Promise<void> {
    await Promise.all(hashes.map((txHash) => register(url, { txHash, kind: 'order' })))
  }

  it('SIGTERM in the middle of a batch: exit 0, nothing lost, nothing doubled', async () => {
    const api = await start('api')
    const worker = await start('worker')
    const hashes = Array.from({ length: 100 }, randomHash)
    for (const txHash of hashes.slice(0, 60)) world.node.include(txHash)
    await registerAll(api.url, hashes)
    await until('some are settled', async () => (await world.db('orders')).length > 5)
    expect(await worker.stop()).toBe(0)
    for (const txHash of hashes.slice(60)) world.node.include(txHash)
    await start('worker')
    for (const txHash of hashes) await untilStatus(world.db, txHash, 'confirmed')
    expect(await world.db('orders')).toHaveLength(hashes.length)
    expect(await world.db('confirmd.outbox')).toHaveLength(hashes.length)
    expect(await api.stop()).toBe(0)
  })

  it('SIGKILL in the middle of a batch: another worker ends it, nothing lost, nothing doubled', async () => {
    const api = await start('api')
    const hashes = Array.from({ length: 100 }, randomHash)
    for (const txHash of hashes) world.node.include(txHash)
    const worker = await start('worker')
    await registerAll(api.url, hashes)
    await until('some are settled', async () => (await world.db('orders')).length > 0)
    await worker.kill()
    await start('worker')
    for (const txHash of hashes) await untilStatus(world.db, txHash, 'confirmed')
    expect(await world.db('orders')).toHaveLength(hashes.length)
    expect(await world.db('confirmd.outbox')).toHaveLength(hashes.length)
  })
})

describeOnEachQueue('a check that kills its worker', (kind) => {
  it('is parked after a few deaths, and takes none of its neighbours along', {
    timeout: 120_000,
  }, async () => {
    const world = await createWorld(kind, {
      HANDLERS: ORDER_HANDLERS,
      WORKER_PREFETCH: '50',
      HANDLER_RETRY_LIMIT: '3',
    })
    await createOrderTables(world.db)
    const api = await startRole('api', world.environment)
    let deaths = 0
    let stopping = false
    let current: RoleProcess | null = null
    const supervising = (async () => {
      while (!stopping) {
        current = await startRole('worker', world.environment).catch(() => null)
        if (!current) continue
        await current.ended
        if (!stopping) deaths += 1
      }
    })()
    try {
      const neighbours = Array.from({ length: 40 }, randomHash)
      const deadly = randomHash()
      for (const txHash of [...neighbours, deadly]) world.node.include(txHash)
      await register(api.url, { txHash: deadly, kind: 'deadly' })
      await Promise.all(neighbours.map((txHash) => register(api.url, { txHash, kind: 'order' })))
      const row = await untilRow(world.db, deadly, 'parked', (each) => each['parked_at'] !== null, 100_000)
      expect(row).toMatchObject({
        status: 'pending',
        handler_attempts: 3,
        last_error: expect.stringContaining('the process died'),
      })
      for (const txHash of neighbours) await untilStatus(world.db, txHash, 'confirmed')
      expect(await world.db('orders')).toHaveLength(neighbours.length)
      expect(await world.db('confirmd.transaction_history').whereNotNull('parked_at')).toHaveLength(1)
      // Once together with its neighbours, and in each of the attempts that are counted.
      expect(deaths).toBeGreaterThanOrEqual(4)
    } finally {
      stopping = true
      await (current as RoleProcess | null)?.stop()
      await supervising
      await api.stop()
      await world.close()
    }
  })
})

describeWithBroker('the original design, by its settings', () => {
  it('looks at 0, 5, 10 and 15 s, then stops with nothing committed', async () => {
    const settings = { RETRY_DELAYS_MS: '5000', RETRY_LIMIT: '3', HANDLERS: ORDER_HANDLERS }
    const world = await createWorld('rabbitmq', settings)
    await createOrderTables(world.db)
    try {
      const { url } = await world.start()
      const txHash = randomHash()
      await register(url, { txHash, kind: 'order' })
      await untilRow(world.db, txHash, 'stalled', (row) => row['status'] === 'stalled')
      const looks = world.node.looks(txHash)
      // Erlang may let its clock run up to 1% off while it corrects it, and the broker's timers with it.
      const gapsMs = looks.slice(1).map((time, index) => time - (looks[index] ?? 0))
      expect(gapsMs).toHaveLength(3)
      for (const gapMs of gapsMs) expect(gapMs).toBeGreaterThanOrEqual(4_950)
      expect(await world.db('orders')).toEqual([])
    } finally {
      await world.close()
    }
  })
})

describe('the command line', () => {
  it('migrate brings an empty database up to date, once', async () => {
    const database = await createTestDatabase()
    try {
      await database.db.raw('DROP SCHEMA confirmd CASCADE')
      const early = await confirmd('api', { DATABASE_URL: database.url })
      expect(early).toMatchObject({
        code: 1,
        output: expect.stringContaining("run 'confirmd migrate' first"),
      })
      const [first, second] = [
        await confirmd('migrate', { DATABASE_URL: database.url }),
        await confirmd('migrate', { DATABASE_URL: database.url }),
      ]
      expect(first).toMatchObject({
        code: 0,
        output: expect.stringContaining('create_transactions.js'),
      })
      expect(second).toMatchObject({ code: 0, output: expect.stringContaining('up to date') })
    } finally {
      await database.drop()
    }
  })

  it('in production, a missing database or node is a clear error', async () => {
    for (const command of ['start', 'api', 'worker', 'migrate']) {
      const { code, output } = await confirmd(command, { NODE_ENV: 'production' })
      expect(code).toBe(78)
      expect(output).toContain('DATABASE_URL is needed where NODE_ENV is production')
    }
  })

  it('in production, missing RabbitMQ is a warning', async () => {
    const world = await createWorld('table')
    const started = await startRole('start', { ...world.environment, NODE_ENV: 'production' })
    try {
      expect(started.log.filter(({ level }) => level === 40).map(({ insteadSet }) => insteadSet)).toEqual([
        'AMQP_URL',
      ])
    } finally {
      expect(await started.stop()).toBe(0)
      await world.close()
    }
  })

  it('a process that shares its parts says which setting it lacks', async () => {
    expect(await confirmd('worker')).toMatchObject({
      code: 1,
      output: expect.stringContaining('set DATABASE_URL and RPC_URLS'),
    })
    expect(await confirmd('migrate')).toMatchObject({
      code: 78,
      output: expect.stringContaining('migrate needs DATABASE_URL'),
    })
  })

  it('reports every wrong setting at once', async () => {
    const { code, output } = await confirmd('start', { PORT: 'x', RETRY_LIMIT: 'many' })
    expect(code).toBe(78)
    expect(output).toContain('2 problem(s)')
  })
})

describeWithBroker('a topology that differs', () => {
  it('ends the process with a message that names the argument', async () => {
    const world = await createWorld('rabbitmq')
    try {
      await withChannel(amqpUrl(), async (channel) => {
        await channel.assertQueue(`${world.prefix}.Q.PARKED`, { durable: true })
      })
      const worker = await startRole('worker', world.environment)
      expect(await worker.ended).toBe(1)
      const fatal = worker.log.find(({ level }) => level === 60)
      expect(fatal?.msg).toContain(`${world.prefix}.Q.PARKED`)
      expect(fatal?.msg).toContain("'x-queue-type'")
    } finally {
      await world.close()
    }
  })
})
