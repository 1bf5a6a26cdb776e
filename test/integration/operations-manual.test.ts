import { execFile } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { brokerNames } from '../../src/broker/topology.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import {
  findRabbitmqServer,
  type PrivateRabbitmq,
  startPrivateRabbitmq,
} from '../../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import type { Role } from '../../src/runnable.ts'
import { openDatabase } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrations.ts'
import { deleteTopology } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { commandsOf, readCommandBlocks } from '../support/command-blocks.ts'
import { type RunningConfirmd, register, startConfirmd, untilRow, untilStatus } from '../support/confirmd.ts'
import { countOrders, createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const BLOCKS = readCommandBlocks('docs/operations.md')

const tools = inject('postgresTools')
const isPossible = tools !== null && inject('amqpUrl') !== null
const DELAYS_MS = [100, 200] as const
const names = brokerNames('TX')

const LAST_NUMBER = /go on with after=(\d+)/

describe.runIf(isPossible)('docs/operations.md', () => {
  const lifecycle = createLifecycle((name, error) => process.stderr.write(`${name}: ${String(error)}\n`))
  const tried: string[] = []
  const running = new Set<RunningConfirmd>()
  let postgres: EmbeddedPostgres
  let rabbitmq: PrivateRabbitmq
  let node: ScriptedNode
  let folder: string
  let db: Knex
  let environment: Record<string, string>

  beforeAll(async () => {
    const temporary = await createTemporaryFolder()
    lifecycle.add('temporary folder', temporary.remove)
    folder = temporary.path
    // As in confirmd's folder, but what the commands write goes away.
    for (const name of ['dist', 'node_modules']) await symlink(resolve(name), join(folder, name))
    const bin = tools ?? ''
    const binaries = { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
    postgres = await startEmbeddedPostgres({ folder, settings: ['fsync=off'], binaries })
    lifecycle.add('PostgreSQL', postgres.stop)
    rabbitmq = await startPrivateRabbitmq((await findRabbitmqServer()) ?? '', folder)
    lifecycle.add('RabbitMQ', rabbitmq.stop)
    node = await startScriptedNode()
    lifecycle.add('node', node.stop)
    environment = {
      DATABASE_URL: postgres.url,
      AMQP_URL: rabbitmq.url,
      RPC_URLS: node.url,
      PORT: '0',
      RETRY_DELAYS_MS: DELAYS_MS.join(','),
      RETRY_LIMIT: '1000',
      MAX_EVENT_LOOP_DELAY_MS: '0',
      SWEEP_INTERVAL_MS: '100',
      SWEEP_GRACE_MS: '300',
      FOLLOW_BLOCKS: 'off',
      HANDLERS: ORDER_HANDLERS,
    }
  })
  afterAll(() => lifecycle.releaseAll())

  beforeEach(async () => {
    await onServer((server) => server.raw('DROP DATABASE IF EXISTS confirmd WITH (FORCE)'))
    await onServer((server) => server.raw('CREATE DATABASE confirmd'))
    await openAnew()
    await migrate(postgres.url)
    await createOrderTables(db)
  })
  afterEach(async () => {
    await stopAll()
    await db.destroy()
    await deleteTopology(rabbitmq.url, 'TX', [...DELAYS_MS])
  })

  const adminUrl = () => postgres.url.replace(/confirmd$/, 'postgres')

  async function openAnew(): Promise<void> {
    db = openDatabase({ url: postgres.url, poolMax: 5, applicationName: 'test' })
  }

  async function onServer(work: (server: Knex) => Promise<unknown>): Promise<void> {
    const server = openDatabase({ url: adminUrl(), poolMax: 1, applicationName: 'test' })
    try {
      await work(server)
    } finally {
      await server.destroy()
    }
  }

  async function start(role: Role): Promise<string> {
    const started = await startConfirmd(role, environment)
    running.add(started)
    return started.url
  }

  async function stopAll(): Promise<void> {
    for (const each of running) await each.stop()
    running.clear()
  }

  /** Runs a block as it stands; resolves with what it printed. Rejects if any of its commands fails. */
  async function run(heading: string, place = 1, given: Record<string, string> = {}): Promise<string> {
    tried.push(`${heading} ${place}`)
    const PATH = `${tools}:${rabbitmq.toolEnvironment['PATH']}`
    const env = { ...environment, ...rabbitmq.toolEnvironment, ADMIN_URL: adminUrl(), ...given, PATH }
    const script = `set -euo pipefail\n${commandsOf(BLOCKS, heading, place)}`
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: folder, env })
    return stdout
  }

  async function confirm(url: string, txHash: string): Promise<void> {
    node.include(txHash)
    expect((await register(url, { txHash, kind: 'order' })).status).toBe(202)
    await untilStatus(db, txHash, 'confirmed')
  }

  async function feed(url: string, after: string): Promise<{ hashes: string[]; next: string }> {
    const answered = await fetch(`${url}/v1/events?after=${after}&limit=100`)
    // As a reader does that is told: its number is of events that are lost.
    if (answered.status === 410) return feed(url, LAST_NUMBER.exec(await answered.text())?.[1] ?? '')
    const page = (await answered.json()) as { events: { subject: string }[]; next: string }
    return { hashes: page.events.map(({ subject }) => subject), next: page.next }
  }

  it.each(['kept', 'lost'])(
    'a restore to a back-up, with queues that were %s: each transaction of it gets its verdict and its business write once, and readers of the feed miss nothing',
    async (queues) => {
      const [before, since, later, unknown] = [randomHash(), randomHash(), randomHash(), randomHash()]
      const first = await start('start')
      await confirm(first, before)
      for (const txHash of [since, later]) await register(first, { txHash, kind: 'order' })
      await run('Take a back-up')

      node.include(since)
      await untilStatus(db, since, 'confirmed')
      await register(first, { txHash: unknown, kind: 'order' })
      await untilRow(db, unknown, 'looked at', (row) => Number(row['retry_count']) > 0)
      const { next } = await until('the feed has both', async () => {
        const read = await feed(first, '0')
        return read.hashes.length === 2 && read
      })
      await stopAll()
      await db.destroy()
      await onServer((server) => server.raw('DROP DATABASE confirmd WITH (FORCE)'))
      if (queues === 'lost') await deleteTopology(rabbitmq.url, 'TX', [...DELAYS_MS])

      await run('Restore', 1)
      await run('Restore', 2)
      await openAnew()
      expect(await countOrders(db, since)).toBe(0)
      const second = await start('start')
      node.include(later)
      for (const txHash of [before, since, later]) await untilStatus(db, txHash, 'confirmed')
      const heard = await until('the feed has what came after the reader', async () => {
        const { hashes } = await feed(second, next)
        return hashes.length === 2 && hashes
      })
      expect([...heard].sort()).toEqual([since, later].sort())

      if (queues === 'kept') {
        const shown = await until('the check without a row is set aside', async () => {
          const text = await run('Parked messages', 1)
          return text.includes('no transaction with id') && text
        })
        expect(shown).toContain(unknown)
      }
      node.include(unknown)
      expect((await register(second, { txHash: unknown, kind: 'order' })).status).toBe(202)
      await untilStatus(db, unknown, 'confirmed')
      for (const txHash of [before, since, later, unknown]) expect(await countOrders(db, txHash)).toBe(1)
    },
  )

  it('its other commands do what it says', async () => {
    expect(await run('Update')).toContain('up to date')
    const url = await start('start')
    const given = { CONFIRMD_URL: url, CONFIRMD_KEY: 'none' }
    await confirm(url, randomHash())
    expect(await run('Look first', 1, given)).toMatch(/"status":"ok"[\s\S]*confirmd_queued_messages/)
    await register(url, { txHash: randomHash(), kind: 'order' })
    expect(await run('Look first', 2)).toMatch(/pending +\| f +\| +1/)
    const consumed = new RegExp(`^${names.checkQueue}\\s+\\d+\\s+\\d+\\s+1$`, 'm')
    await until('RabbitMQ tells of the consumer', async () => consumed.test(await run('Look first', 3)))
    expect(await run('Look first', 4)).toContain('confirmd start')
    expect(await run('Look first', 5)).toMatch(/processes[\s\S]*ok +database/)
    expect(await run('Sizes')).toContain('transaction_history')
    expect(await run('Standbys and failover', 1)).toMatch(/synchronous_standby_names[\s\S]*sync_state/)

    expect(await run('Change a key or a secret', 1)).toMatch(/^shop-2:[0-9a-f]{64}$/m)
    const hook = (await (
      await fetch(`${url}/v1/webhooks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url: 'https://shop.example/hook' }),
      })
    ).json()) as { id: string; secret: string }
    const rotated = await run('Change a key or a secret', 2, { ...given, WEBHOOK_ID: hook.id })
    expect(rotated).toContain('whsec_')
    expect(rotated).not.toContain(hook.secret)

    expect(await run('Prune')).toMatch(
      /0 transactions of chain kaia are to be pruned[\s\S]*pruned 0 transactions/,
    )
    expect(await run('Upgrade of RabbitMQ', 1)).toContain('quorum_queue')
    await run('Upgrade of RabbitMQ', 3)
    expect(await rabbitmq.control('list_policies')).toContain('confirmd-parked')
    expect(await run('ConfirmdQueueNotConsumed')).toContain('confirmd consume')
  })

  it('what it says of stalled, parked and set-aside things is found, and mended', async () => {
    environment = { ...environment, RETRY_LIMIT: '0', HANDLER_RETRY_LIMIT: '1' }
    const url = await start('start')
    const given = { CONFIRMD_URL: url, CONFIRMD_KEY: 'none' }
    const [stalled, parked] = [randomHash(), randomHash()]
    await register(url, { txHash: stalled })
    await untilStatus(db, stalled, 'stalled')
    expect(await run('ConfirmdTransactionsStalled')).toContain(stalled)

    await db('refusals').insert({ reason: 'by the test' })
    node.include(parked)
    await register(url, { txHash: parked, kind: 'picky' })
    await untilRow(db, parked, 'parked', (row) => row['parked_at'] !== null)
    expect(await run('ConfirmdTransactionsParked', 1)).toContain('refused by the test')
    await db('refusals').delete()
    await run('ConfirmdTransactionsParked', 2, given)
    await untilStatus(db, parked, 'confirmed')

    await withChannel(rabbitmq.url, async (channel) => {
      channel.publish(names.directExchange, names.checkKey, Buffer.from('not ours'))
      await channel.checkQueue(names.checkQueue)
      await until(
        'it is set aside',
        async () => (await channel.checkQueue(names.parkedQueue)).messageCount > 0,
      )
    })
    expect(await run('Parked messages', 1)).toContain('not ours')
    await run('Parked messages', 2)
    expect(await run('Parked messages', 1)).toBe('')
  })

  it('every command that is not marked as not tried was run here', () => {
    const claimed = BLOCKS.filter(({ isTried }) => isTried)
    expect(claimed.map(({ heading, place }) => `${heading} ${place}`).sort()).toEqual(
      [...new Set(tried)].sort(),
    )
  })
})
