import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { openDatabase } from '../../src/store/database.ts'
import { createWorld, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

let world: World
beforeEach(async () => {
  world = await createWorld('table')
})
afterEach(() => world.close())

/** Traces of what is inside: SQL, tables, stacks, files, addresses, and the secret of the test. */
const INSIDE =
  /insert into|select |update .* set|transaction_history|relation|column|violates|sqlstate|plpgsql|knex|postgres|\bat \S+ \(|node_modules|\.[jt]s\b|ECONN|127\.0\.0\.1|password|inner-secret/i

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

async function askAll(url: string): Promise<Answer[]> {
  const id = '01a1fcf8-4105-7698-b979-000000000000'
  const requests: [string, RequestInit?][] = [
    ['/v1/transactions'],
    [`/v1/transactions?txHash=${randomHash()}`],
    [`/v1/transactions/${id}`],
    [`/v1/transactions/${id}/recheck`, { method: 'POST' }],
    [
      '/v1/transactions',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ txHash: randomHash(), payload: { note: 'x' } }),
      },
    ],
  ]
  return Promise.all(
    requests.map(async ([path, init]) => {
      const response = await fetch(`${url}${path}`, init)
      return { status: response.status, headers: response.headers, text: await response.text() }
    }),
  )
}

/** What the routes that failed answered; none of them tells what is inside. */
async function failuresOf(url: string): Promise<Answer[]> {
  const failed = (await askAll(url)).filter(({ status }) => status >= 500)
  for (const { headers, text, status } of failed) {
    expect(`${text} ${JSON.stringify([...headers])}`).not.toMatch(INSIDE)
    expect(headers.get('content-type')).toContain('application/problem+json')
    expect(JSON.parse(text)).toMatchObject({ status, detail: expect.any(String) })
  }
  return failed
}

/** A setting of the database for connections that are made from now on. */
function setForAll(setting: string): Promise<void> {
  return world.db.raw(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${setting}', current_database()); END $$`,
  )
}

describe('an answer says nothing of what is inside, when the database', () => {
  it('lacks its table', async () => {
    const { url } = await world.start('api')
    await world.db.raw('ALTER TABLE confirmd.transaction_history RENAME TO elsewhere')
    const failed = await failuresOf(url)
    expect(
      failed.map(({ status }) => status),
      failed[0]?.text,
    ).toEqual([500, 500, 500, 500, 500])
  })

  it('raises an error of its own', async () => {
    const { url, log } = await world.start('api')
    await world.db.raw(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'inner-secret: %', NEW.tx_hash; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON confirmd.transaction_history FOR EACH ROW EXECUTE FUNCTION refuse()`)
    const failed = await failuresOf(url)
    expect(failed.map(({ status }) => status)).toEqual([500])
    expect(JSON.stringify(log)).toContain('inner-secret')
  })

  it('is locked for longer than it lets one wait: 503, to be tried again', async () => {
    await setForAll("lock_timeout = ''100ms''")
    const { url } = await world.start('api')
    const trx = await world.db.transaction()
    try {
      await trx.raw('LOCK TABLE confirmd.transaction_history IN ACCESS EXCLUSIVE MODE')
      const failed = await failuresOf(url)
      expect(failed.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503])
      for (const { headers } of failed) expect(headers.get('retry-after')).toBe('1')
    } finally {
      await trx.rollback()
    }
    expect((await askAll(url)).filter(({ status }) => status >= 500)).toEqual([])
  })

  it('only reads, as after a failover: 503, to be tried again', async () => {
    await setForAll('default_transaction_read_only = on')
    const { url } = await world.start('api', { TEST_NOT_READY: 'it can not write' })
    expect((await fetch(`${url}/readyz`)).status).toBe(503)
    const failed = await failuresOf(url)
    expect(failed.map(({ status }) => status)).toContain(503)
    for (const { status } of failed) expect(status).toBe(503)
  })

  it('ends its connections and takes no new ones, and /readyz says it is not ready', async () => {
    const { url } = await world.start('api')
    const name = new URL(world.database.url).pathname.slice(1)
    const server = openDatabase({ url: inject('serverUrl'), poolMax: 1, applicationName: 'test' })
    try {
      await server.raw('ALTER DATABASE ?? ALLOW_CONNECTIONS false', [name])
      await server.raw('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?', [name])
    } finally {
      await server.destroy()
    }
    const failed = await failuresOf(url)
    expect(failed).toHaveLength(5)
    for (const { status } of failed) expect(status).toBe(503)
    const ready = await until('it is not ready', async () => {
      const response = await fetch(`${url}/readyz`)
      return response.status === 503 ? response.text() : null
    })
    expect(JSON.parse(ready)).toMatchObject({ status: 'unavailable', checks: { database: 'unavailable' } })
    expect(ready).not.toMatch(INSIDE)
  })
})
