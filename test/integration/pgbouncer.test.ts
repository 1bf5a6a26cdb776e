import type { Knex } from 'knex'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { openDatabase } from '../../src/store/database.ts'
import { demandSessions, readPooling } from '../../src/store/pooling.ts'
import { writeLimits } from '../../src/store/write-limits.ts'
import { withWriteSession } from '../../src/store/write-session.ts'
import { runCommand } from '../support/command.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { countOrders, createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { describeWithPgbouncer, type Pgbouncer, startPgbouncer } from '../support/pgbouncer.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

let world: World
beforeAll(async () => {
  world = await createWorld('table', { HANDLERS: ORDER_HANDLERS })
  await createOrderTables(world.db)
})
afterAll(() => world.close())

async function poolerFindings(url: string): Promise<{ code: number | null; findings: object[] }> {
  const { code, stdout } = await runCommand(['doctor', '--json'], { ...world.environment, DATABASE_URL: url })
  const { checks } = JSON.parse(stdout) as { checks: { check: string }[] }
  return { code, findings: checks.filter(({ check }) => check === 'pooler') }
}

/** Connections that run one short transaction after the other until the work has ended. */
async function besideTraffic(url: string, work: () => Promise<void>): Promise<void> {
  const ended = new AbortController()
  const traffic = Array.from({ length: 4 }, async () => {
    while (!ended.signal.aborted) {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      for (let count = 0; count < 20; count++) await client.query('BEGIN; SELECT 1; COMMIT')
      await client.end()
    }
  })
  try {
    await work()
  } finally {
    ended.abort()
    await Promise.all(traffic)
  }
}

interface Session {
  readonly pid: number
  readonly statement: string
  readonly idle: string
  readonly own: string | null
}

async function readSession(db: Knex): Promise<Session | undefined> {
  const { rows } = await db.raw<{ rows: Session[] }>(`
    SELECT pg_backend_pid() AS pid, current_setting('statement_timeout') AS statement,
           current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('my.own', true) AS own`)
  return rows[0]
}

it('a connection without a pooler is told from one with it', async () => {
  expect(await readPooling(world.database.url)).toEqual({ mode: 'none' })
  expect(await poolerFindings(world.database.url)).toEqual({ code: 0, findings: [] })
})

describeWithPgbouncer('through PgBouncer in session mode', () => {
  let pooler: Pgbouncer
  let url: string
  beforeAll(async () => {
    pooler = await startPgbouncer(inject('serverUrl'), { mode: 'session' })
    url = pooler.through(world.database.url)
  })
  afterAll(() => pooler.stop())

  it('a transaction gets its verdict and its business write, and the blocks are followed', async () => {
    const { url: api } = await world.start('start', { DATABASE_URL: url, FOLLOW_BLOCKS: 'on' })
    try {
      const txHash = randomHash()
      world.node.include(txHash)
      expect((await register(api, { txHash, kind: 'order' })).status).toBe(202)
      await untilStatus(world.db, txHash, 'confirmed')
      expect(await countOrders(world.db, txHash)).toBe(1)
      const isLeading = async () =>
        /^confirmd_leading(\{.*\})? 1$/m.test(await (await fetch(`${api}/metrics`)).text())
      await until('it leads those that follow the blocks', isLeading)
    } finally {
      await world.stopAll()
    }
  })

  it.each([
    ['role', '30s'],
    ['none', '0'],
  ] as const)(
    'the limits of a session (%s) are in force, also after a business write that changed them',
    async (statementLimit, statement) => {
      const db = openDatabase({ url, poolMax: 1, applicationName: 'test', statementLimit })
      try {
        const before = await readSession(db)
        expect(before).toMatchObject({ statement, idle: '1min' })
        await withWriteSession(db, writeLimits(600_000), async (trx) => {
          await trx.raw(
            `SET statement_timeout = 1234; SET idle_in_transaction_session_timeout = 0; SET my.own = 'x'`,
          )
        })
        expect(await readSession(db)).toEqual({ ...before, own: '' })
      } finally {
        await db.destroy()
      }
    },
  )

  it('it is never taken for transaction mode, whatever others do meanwhile', async () => {
    await besideTraffic(url, async () => {
      for (let count = 0; count < 20; count++) expect(await readPooling(url)).toEqual({ mode: 'session' })
    })
    const { code, findings } = await poolerFindings(url)
    expect(code).toBe(0)
    expect(findings).toMatchObject([{ outcome: 'ok' }])
  })

  it('with no session left for the question, it says so and goes on', async () => {
    const narrow = await startPgbouncer(inject('serverUrl'), { mode: 'session', poolSize: 1 })
    try {
      const through = narrow.through(world.database.url)
      expect(await readPooling(through)).toMatchObject({ mode: 'unknown' })
      await demandSessions(through)
      const { findings } = await poolerFindings(through)
      expect(findings).toMatchObject([{ outcome: 'warn', advice: expect.stringContaining('pool_mode') }])
    } finally {
      await narrow.stop()
    }
  })

  it('an API answers 503 while PostgreSQL takes no connections', async () => {
    const { url: api } = await world.start('api', { DATABASE_URL: url })
    const name = new URL(world.database.url).pathname.slice(1)
    const server = openDatabase({ url: inject('serverUrl'), poolMax: 1, applicationName: 'test' })
    try {
      await server.raw('ALTER DATABASE ?? ALLOW_CONNECTIONS false', [name])
      await server.raw('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?', [name])
      expect((await register(api, { txHash: randomHash() })).status).toBe(503)
      await server.raw('ALTER DATABASE ?? ALLOW_CONNECTIONS true', [name])
      await until(
        'it records again',
        async () => (await register(api, { txHash: randomHash() })).status === 202,
      )
    } finally {
      await server.raw('ALTER DATABASE ?? ALLOW_CONNECTIONS true', [name])
      await server.destroy()
      await world.stopAll()
    }
  })
})

describeWithPgbouncer('through PgBouncer in transaction mode', () => {
  let pooler: Pgbouncer
  let url: string
  beforeAll(async () => {
    pooler = await startPgbouncer(inject('serverUrl'), { mode: 'transaction' })
    url = pooler.through(world.database.url)
  })
  afterAll(() => pooler.stop())

  it('it is recognised, on an idle pool, a busy one, and one of a single session', async () => {
    for (let count = 0; count < 10; count++) expect(await readPooling(url)).toEqual({ mode: 'transaction' })
    await besideTraffic(url, async () => {
      for (let count = 0; count < 20; count++) expect(await readPooling(url)).toEqual({ mode: 'transaction' })
    })
    const narrow = await startPgbouncer(inject('serverUrl'), { mode: 'transaction', poolSize: 1 })
    try {
      expect(await readPooling(narrow.through(world.database.url))).toEqual({ mode: 'transaction' })
    } finally {
      await narrow.stop()
    }
  })

  it.each(['start', 'api', 'worker'] as const)('%s does not start, and says what to set', async (role) => {
    await expect(world.start(role, { DATABASE_URL: url })).rejects.toThrow(
      /transaction mode.*prepared statements.*advisory locks.*pool_mode = session/,
    )
  })

  it.each([[['migrate']], [['status']]])(
    'the command %s ends with the same words and changes nothing',
    async (words) => {
      const { code, stderr } = await runCommand(words, { ...world.environment, DATABASE_URL: url })
      expect(code).toBe(1)
      expect(stderr).toContain('pool_mode = session')
      const { rows } = await world.db.raw<{ rows: object[] }>(
        `SELECT FROM pg_locks WHERE locktype = 'advisory'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      )
      expect(rows).toEqual([])
    },
  )

  it('doctor says what does not work, and what to set', async () => {
    const { code, findings } = await poolerFindings(url)
    expect(code).toBe(1)
    expect(findings).toMatchObject([
      {
        outcome: 'fail',
        text: expect.stringMatching(/transaction mode.*prepared statements.*advisory locks/),
        advice: expect.stringContaining('pool_mode = session'),
      },
    ])
  })
})
