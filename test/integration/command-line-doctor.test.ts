import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freeRestartablePort } from '../../src/dev/ports.ts'
import { findRabbitmqServer, startPrivateRabbitmq } from '../../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { runCommand } from '../support/command.ts'
import { createWorld, type World } from '../support/confirmd.ts'
import { ORDER_HANDLERS } from '../support/orders.ts'
import { until } from '../support/until.ts'

const SECRET = 'database-secret-0123'

let world: World
beforeAll(async () => {
  world = await createWorld('table')
})
afterAll(() => world.close())

interface Examined {
  ok: boolean
  checks: { check: string; outcome: string; text: string; advice: string | null }[]
}

async function examined(
  given: Readonly<Record<string, string>>,
): Promise<Examined & { code: number | null }> {
  const { code, stdout } = await runCommand(['doctor', '--json'], { ...world.environment, ...given })
  return { code, ...(JSON.parse(stdout) as Examined) }
}

function problemsOf({ checks }: Examined): object[] {
  return checks.filter(({ outcome }) => outcome !== 'ok')
}

describe('doctor', () => {
  it('finds nothing to do beside a worker that works', async () => {
    const environment = { HANDLERS: ORDER_HANDLERS }
    const worker = await world.start('worker', environment)
    try {
      await until('it has reported itself', async () => (await world.db('confirmd.processes')).length > 0)
      const found = await examined(environment)
      expect(problemsOf(found)).toEqual([])
      expect(found).toMatchObject({ code: 0, ok: true })
      const names = found.checks.map(({ check }) => check)
      for (const check of [
        'configuration',
        'database',
        'privileges',
        'migrations',
        'clock',
        'workers',
        'nodes',
      ]) {
        expect(names).toContain(check)
      }
      const text = await runCommand(['doctor'], { ...world.environment, ...environment })
      expect(text.stdout.trim().split('\n')).toHaveLength(found.checks.length)
    } finally {
      await worker.stop()
    }
  })

  it('reports every wrong setting at once, with exit 78', async () => {
    const found = await examined({ PORT: 'x', RETRY_LIMIT: 'many' })
    expect(found.code).toBe(78)
    expect(found.checks.map(({ text }) => text.split(' ')[0])).toEqual(['RETRY_LIMIT', 'PORT'].sort())
  })

  it('says that nobody works, which is no failure', async () => {
    await world.db('confirmd.processes').delete()
    const found = await examined({})
    expect(problemsOf(found)).toMatchObject([
      { check: 'workers', outcome: 'warn', advice: expect.stringContaining('confirmd worker') },
    ])
    expect(found.code).toBe(0)
  })

  it('says what is away, each with what to try, and no secret', async () => {
    const settings = {
      DATABASE_URL: `postgres://owner:${SECRET}@127.0.0.1:1/orders`,
      AMQP_URL: `amqp://owner:${SECRET}@127.0.0.1:1/vhost`,
      RPC_URLS: `http://127.0.0.1:1/v3/${SECRET}`,
      HANDLERS: './nowhere.js',
    }
    const found = await examined(settings)
    expect(found).toMatchObject({ code: 1, ok: false })
    expect(found.checks.filter(({ outcome }) => outcome === 'fail').map(({ check }) => check)).toEqual([
      'database',
      'broker',
      'nodes',
      'handlers',
    ])
    for (const { advice } of problemsOf(found) as { advice: string }[]) expect(advice).not.toBe('')
    expect(JSON.stringify(found)).not.toContain(SECRET)
  })

  it('finds a node on another chain, and one that is behind', async () => {
    world.node.headAgeMs = 600_000
    try {
      const behind = await examined({})
      expect(problemsOf(behind)).toEqual(
        expect.arrayContaining([expect.objectContaining({ check: 'nodes', outcome: 'fail' })]),
      )
    } finally {
      world.node.headAgeMs = 0
    }
    const wrong = await examined({ CHAIN_ID: '1001' })
    expect(wrong.code).toBe(1)
    expect(problemsOf(wrong)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          check: 'nodes',
          text: expect.stringContaining('it is on chain 8217, not 1001'),
        }),
      ]),
    )
  })

  it('finds migrations that are missing, and those of a newer release, and changes nothing', async () => {
    const [newest] = await world.db('confirmd.migrations').orderBy('id', 'desc').limit(1)
    const unknown = { ...newest, id: 9_999, name: '29990101000000_of_a_newer_release.js' }
    await world.db('confirmd.migrations').insert(unknown)
    await world.db('confirmd.migrations').where({ id: newest.id }).delete()
    try {
      const found = await examined({})
      expect(found.code).toBe(1)
      expect(problemsOf(found)).toEqual([
        expect.objectContaining({ outcome: 'fail', text: expect.stringContaining(newest.name) }),
        expect.objectContaining({ outcome: 'warn', text: expect.stringContaining(unknown.name) }),
      ])
    } finally {
      await world.db('confirmd.migrations').where({ id: unknown.id }).delete()
      await world.db('confirmd.migrations').insert(newest)
    }
  })

  it('finds privileges that are missing', async () => {
    const role = `limited_${process.pid}`
    await world.db.raw(`CREATE ROLE ${role} LOGIN PASSWORD '${SECRET}'`)
    try {
      await world.db.raw(
        `GRANT USAGE ON SCHEMA confirmd TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA confirmd TO ${role}`,
      )
      const url = new URL(world.database.url)
      url.username = role
      url.password = SECRET
      const found = await examined({ DATABASE_URL: url.toString() })
      expect(found.code).toBe(1)
      expect(found.checks).toContainEqual(
        expect.objectContaining({
          check: 'privileges',
          text: expect.stringContaining('outbox (DELETE, INSERT, UPDATE)'),
        }),
      )
    } finally {
      await world.db.raw(`DROP OWNED BY ${role}`)
      await world.db.raw(`DROP ROLE ${role}`)
    }
  })

  it('ends although a module of business writes would keep a process alive', async () => {
    const folder = await createTemporaryFolder()
    try {
      const module = join(folder.path, 'handlers.mjs')
      await writeFile(module, 'setInterval(() => undefined, 1_000)\nexport default []\n')
      expect((await examined({ HANDLERS: module })).code).toBe(0)
    } finally {
      await folder.remove()
    }
  })
})

describeWithBroker('doctor, of the broker', () => {
  it('asks each host, and names the one that does not answer', async () => {
    const own = await createWorld('rabbitmq')
    const dead = await freeRestartablePort()
    const urls = [`amqp://owner:${SECRET}@127.0.0.1:${dead}`, amqpUrl()]
    try {
      const { code, stdout } = await runCommand(['doctor', '--json'], {
        ...own.environment,
        AMQP_URL: urls.join(','),
      })
      const { checks } = JSON.parse(stdout) as Examined
      expect(checks.filter(({ check }) => check === 'broker')).toMatchObject([
        {
          outcome: 'fail',
          text: expect.stringContaining(`127.0.0.1:${dead}: connect ECONNREFUSED`),
          advice: expect.stringContaining('the other hosts are used meanwhile'),
        },
        { outcome: 'ok', text: expect.stringContaining(new URL(amqpUrl()).host) },
      ])
      expect(checks.map(({ check }) => check)).toContain('declarations')
      expect(code).toBe(1)
      expect(stdout).not.toContain(SECRET)
    } finally {
      await own.close()
    }
  })

  it('finds hosts that are not of one cluster', { timeout: 60_000 }, async () => {
    const serverPath = await findRabbitmqServer()
    if (!serverPath) throw new Error('this test starts its own broker: install rabbitmq-server')
    const own = await createWorld('rabbitmq')
    const folder = await createTemporaryFolder()
    const other = await startPrivateRabbitmq(serverPath, folder.path)
    try {
      const { code, stdout } = await runCommand(['doctor', '--json'], {
        ...own.environment,
        AMQP_URL: [amqpUrl(), other.url].join(','),
      })
      const { checks } = JSON.parse(stdout) as Examined
      const text = expect.stringContaining('the hosts of AMQP_URL are not of one cluster')
      expect(checks).toContainEqual(expect.objectContaining({ check: 'broker', outcome: 'fail', text }))
      expect(code).toBe(1)
    } finally {
      await other.stop()
      await folder.remove()
      await own.close()
    }
  })

  it('finds what is not declared, what differs, and that nobody consumes, and declares nothing', async () => {
    const own = await createWorld('rabbitmq')
    const look = async () => {
      const { code, stdout } = await runCommand(['doctor', '--json'], own.environment)
      const { checks } = JSON.parse(stdout) as Examined
      return {
        code,
        checks: checks.filter(({ check }) => ['broker', 'declarations', 'queues'].includes(check)),
      }
    }
    try {
      const fresh = await look()
      expect(fresh.code).toBe(0)
      expect(fresh.checks).toMatchObject([
        { check: 'broker', outcome: 'ok' },
        { check: 'declarations', outcome: 'warn', text: 'nothing is declared yet' },
      ])
      expect((await look()).checks).toEqual(fresh.checks)

      const worker = await own.start('worker')
      expect((await look()).checks.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok'])
      await worker.stop()
      const alone = await look()
      expect(alone.checks).toMatchObject([{}, {}, { check: 'queues', outcome: 'warn' }])

      const parked = `${own.prefix}.Q.PARKED`
      await withChannel(amqpUrl(), async (channel) => {
        await channel.deleteQueue(`${own.prefix}.Q.WAIT_CONFIRM_CHECK.100`)
        await channel.deleteQueue(parked)
        await channel.assertQueue(parked, { durable: true })
      })
      const broken = await look()
      expect(broken.code).toBe(1)
      expect(broken.checks).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ outcome: 'fail', text: expect.stringContaining("'x-queue-type'") }),
          expect.objectContaining({
            outcome: 'fail',
            text: expect.stringContaining('WAIT_CONFIRM_CHECK.100'),
          }),
        ]),
      )
    } finally {
      await own.close()
    }
  })
})
