import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import { createApiKey } from '../../src/http/api-key.ts'
import type { Role } from '../../src/runnable.ts'
import { createWorld, type World } from '../support/confirmd.ts'
import { randomHash, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const SECRETS = {
  database: 'database-secret-0123',
  broker: 'broker-secret-0123',
  rpcPassword: 'rpc-password-secret-0123',
  rpcPath: 'rpc-path-secret-0123',
  rpcQuery: 'rpc-query-secret-0123',
}
/** Nobody listens on the port, and nobody has the name. */
const DEAD = {
  DATABASE_URL: `postgres://owner:${SECRETS.database}@127.0.0.1:1/orders`,
  AMQP_URL: `amqp://owner:${SECRETS.broker}@127.0.0.1:1/vhost`,
  RPC_URLS: [
    `http://owner:${SECRETS.rpcPassword}@127.0.0.1:1/v3/${SECRETS.rpcPath}`,
    `http://node.invalid/${SECRETS.rpcPath}?key=${SECRETS.rpcQuery}`,
  ].join(','),
}
const shop = createApiKey('shop')

let world: World
beforeAll(async () => {
  world = await createWorld('table')
})
afterAll(() => world.close())

function expectNoSecret(text: string): void {
  for (const secret of [...Object.values(SECRETS), shop.key]) expect(text).not.toContain(secret)
  // A hash in the log would do no harm; that it is not there shows that settings are not logged whole.
  expect(text).not.toContain(shop.entry)
}

/** All that a command says which ends by itself. */
async function outputOf(command: string, given: Record<string, string> = {}): Promise<string> {
  const { PATH = '', HOME = '' } = process.env
  const ended = await promisify(execFile)(process.execPath, ['dist/main.js', ...command.split(' ')], {
    env: { PATH, HOME, LOG_LEVEL: 'trace', ...given },
  }).catch((error: { stdout: string; stderr: string }) => error)
  return ended.stdout + ended.stderr
}

it('the key that `key create` shows is let in by the entry that it shows', async () => {
  const [, key = '', , entry = ''] = (await outputOf('key create --name web-shop')).split('\n')
  expect(key).toMatch(/^ck_web-shop_/)
  expect(entry).toMatch(/^web-shop:/)
  const { url } = await world.start('api', { API_KEYS: entry })
  const ask = (headers: Record<string, string>) => fetch(`${url}/v1/transactions`, { headers })
  expect((await ask({ authorization: `Bearer ${key}` })).status).toBe(200)
  expect((await ask({})).status).toBe(401)
})

describe('no secret of the environment is in what a process says', () => {
  it.each(['migrate', 'api', 'worker', 'start'])('when %s finds no database', async (command) => {
    const output = await outputOf(command, { ...DEAD, API_KEYS: shop.entry })
    expect(output).toMatch(/failed/)
    expectNoSecret(output)
  })

  it.each(['migrate', 'api'])('when the database refuses %s', async (command) => {
    const url = new URL(inject('serverUrl'))
    url.username = 'nobody'
    url.password = SECRETS.database
    const output = await outputOf(command, { ...DEAD, DATABASE_URL: url.toString() })
    expect(output).toMatch(/failed/)
    expectNoSecret(output)
  })

  it('when the settings are wrong', async () => {
    const output = await outputOf('start', {
      DATABASE_URL: `owner:${SECRETS.database}@host`,
      AMQP_URL: `http://owner:${SECRETS.broker}@host`,
      RPC_URLS: `${SECRETS.rpcPath},ftp://node/${SECRETS.rpcQuery}`,
      API_KEYS: `${shop.entry},${shop.key}`,
    })
    expect(output).toContain('4 problem(s)')
    expectNoSecret(output)
  })

  async function withRole(
    role: Role,
    given: Record<string, string>,
    work: (process: RoleProcess) => Promise<void>,
  ): Promise<void> {
    const { DATABASE_URL = '' } = world.environment
    const environment = { ...DEAD, DATABASE_URL, API_KEYS: shop.entry, LOG_LEVEL: 'trace', ...given }
    const started = await startRole(role, environment)
    try {
      await work(started)
    } finally {
      await started.stop()
    }
    expect(started.log.length).toBeGreaterThan(5)
    expectNoSecret(JSON.stringify(started.log))
  }

  function ask({ url }: RoleProcess, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${shop.key}`, 'content-type': 'application/json' }
    return fetch(`${url}${path}`, { ...init, headers })
  }

  async function registerOne(process: RoleProcess): Promise<string> {
    const body = JSON.stringify({ txHash: randomHash() })
    const answer = await ask(process, '/v1/transactions', { method: 'POST', body })
    expect(answer.status).toBe(202)
    return ((await answer.json()) as { id: string }).id
  }

  it.each(['api', 'worker'] as const)('when %s finds no broker', (role) =>
    withRole(role, {}, async (process) => {
      if (role === 'api') await registerOne(process)
      await until('it says so', () => process.log.some(({ msg }) => msg.startsWith('broker not reached')))
      expectNoSecret(await (await ask(process, '/metrics')).text())
    }),
  )

  it('when no node answers; nor in metrics or in the transaction', () =>
    withRole('start', { AMQP_URL: '', RETRY_DELAYS_MS: '100' }, async (process) => {
      const id = await registerOne(process)
      const transaction = await until('the error is noted', async () => {
        const text = await (await ask(process, `/v1/transactions/${id}`)).text()
        return (JSON.parse(text) as { lastError: unknown }).lastError ? text : null
      })
      const metrics = await (await ask(process, '/metrics')).text()
      expect(metrics).toContain('confirmd_rpc_errors_total{')
      expectNoSecret(transaction + metrics)
    }))

  it('when a node repeats its key in its error', async () => {
    const node = await startScriptedNode()
    const message = `the key ${SECRETS.rpcPath} is not known, ${node.url}/${SECRETS.rpcPath}`
    node.fault = () => ({ kind: 'error', code: -32_001, message })
    const settings = {
      AMQP_URL: '',
      RETRY_DELAYS_MS: '100',
      RPC_URLS: `${node.url}/v3/${SECRETS.rpcPath}`,
    }
    try {
      await withRole('start', settings, async (process) => {
        const id = await registerOne(process)
        await until('the error is noted', async () => {
          const { lastError } = (await (await ask(process, `/v1/transactions/${id}`)).json()) as {
            lastError: string | null
          }
          return lastError
        })
        // The log has the error, so that the key was there to be taken out.
        await until('it is logged', () =>
          process.log.some((line) => JSON.stringify(line).includes('the key [redacted] is not known')),
        )
      })
    } finally {
      await node.stop()
    }
  })
})
