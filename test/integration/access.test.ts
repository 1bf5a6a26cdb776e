import { request } from 'node:http'
import { networkInterfaces } from 'node:os'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createApiKey } from '../../src/http/api-key.ts'
import { createWorld, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'

const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
const outside = addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address
const hasIPv6 = addresses.some(({ address }) => address === '::1')

let world: World
beforeAll(async () => {
  world = await createWorld('table')
})
afterEach(() => world.stopAll())
afterAll(() => world.close())

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** A request with any headers, also those that fetch would not send. */
function ask(url: string, headers: Record<string, string> = {}, body?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      method: body ? 'POST' : 'GET',
      agent: false,
      headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      text(response).then(
        (answer) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answer }),
        reject,
      )
    })
    sent.end(body ? JSON.stringify(body) : undefined)
  })
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
const at = (url: string, host: string) => url.replace(/\/\/.*:(\d+)$/, `//${host}:$1`)

function expectProblem(answer: Answer, status: number): void {
  expect(answer.status).toBe(status)
  expect(answer.headers['content-type']).toContain('application/problem+json')
  expect(JSON.parse(answer.body)).toMatchObject({ status, type: 'about:blank', detail: expect.any(String) })
}

const GUARDED = ['/v1/transactions', '/v1/transactions/01a1fcf8-4105-7698-b979-000000000000', '/metrics']
const OPEN = ['/', '/healthz', '/readyz', '/docs', '/openapi.json']

describe('with keys', () => {
  const shop = createApiKey('shop')
  const mobile = createApiKey('mobile')
  const keys = { API_KEYS: `${shop.entry},${mobile.entry}` }

  it('nothing but health and docs answers without one, and the answer says how to give it', async () => {
    const { url } = await world.start('api', keys)
    for (const path of GUARDED) {
      const answer = await ask(`${url}${path}`)
      expectProblem(answer, 401)
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="confirmd"')
    }
    expectProblem(await ask(`${url}/v1/transactions`, {}, { txHash: randomHash() }), 401)
    for (const path of OPEN) expect((await ask(`${url}${path}`)).status).toBe(200)
    expect(await world.db('confirmd.transaction_history')).toEqual([])
  })

  it('each of several is accepted, and the scheme may be written in any case', async () => {
    const { url } = await world.start('api', keys)
    for (const { key } of [shop, mobile]) {
      expect((await ask(`${url}/v1/transactions`, bearer(key), { txHash: randomHash() })).status).toBe(202)
    }
    expect((await ask(`${url}/metrics`, { authorization: `bearer ${shop.key}` })).status).toBe(200)
  })

  it.each([
    ['another key', `Bearer ${createApiKey('shop').key}`],
    ['the entry instead of the key', `Bearer ${shop.entry}`],
    ['another scheme', `Basic ${Buffer.from(`shop:${shop.key}`).toString('base64')}`],
    ['no scheme', shop.key],
    ['nothing after the scheme', 'Bearer '],
    ['two keys', `Bearer ${shop.key} ${mobile.key}`],
  ])('%s is refused, and stays out of answer and log', async (_title, authorization) => {
    const { url, log } = await world.start('api', keys)
    const answer = await ask(`${url}/v1/transactions`, { authorization })
    expectProblem(answer, 401)
    const seen = JSON.stringify([answer.headers, answer.body, log])
    for (const secret of [shop.key, mobile.key]) expect(seen).not.toContain(secret)
  })

  it('a worker guards its metrics with them too', async () => {
    const { url } = await world.start('worker', keys)
    expectProblem(await ask(`${url}/metrics`), 401)
    expect((await ask(`${url}/metrics`, bearer(shop.key))).status).toBe(200)
    expect((await ask(`${url}/healthz`)).status).toBe(200)
  })

  it('wrong ones are limited by address, without keeping out a right one from there', async () => {
    const { url } = await world.start('api', { ...keys, AUTH_FAILURE_LIMIT_PER_MINUTE: '3' })
    const answers: Answer[] = []
    for (let count = 0; count < 5; count++)
      answers.push(await ask(`${url}/metrics`, bearer(`wrong-${count}`)))
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 429, 429])
    const [limited] = answers.slice(-1)
    if (!limited) throw new Error('there is no answer')
    expectProblem(limited, 429)
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)
    expect(Number(limited.headers['retry-after'])).toBeLessThanOrEqual(60)
    const metrics = await ask(`${url}/metrics`, bearer(shop.key))
    expect(metrics.status).toBe(200)
    expect(metrics.body).toContain('confirmd_http_refused_total{reason="unauthenticated"} 3')
    expect(metrics.body).toContain('confirmd_http_refused_total{reason="rate-limited"} 2')
  })

  it('each has a rate limit of its own; health has none', async () => {
    const { url } = await world.start('api', { ...keys, RATE_LIMIT_PER_MINUTE: '3' })
    const list = `${url}/v1/transactions`
    const ofShop: number[] = []
    for (let count = 0; count < 5; count++) ofShop.push((await ask(list, bearer(shop.key))).status)
    expect(ofShop).toEqual([200, 200, 200, 429, 429])
    const limited = await ask(list, bearer(shop.key), { txHash: randomHash() })
    expectProblem(limited, 429)
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)
    expect((await ask(list, bearer(mobile.key))).status).toBe(200)
    for (let count = 0; count < 5; count++) expect((await ask(`${url}/healthz`)).status).toBe(200)
  })

  it.runIf(outside)('a request from another address is served', async () => {
    const { url } = await world.start('api', { ...keys, HOST: '0.0.0.0' })
    const there = at(url, outside ?? '')
    expect((await ask(`${there}/v1/transactions`, bearer(shop.key))).status).toBe(200)
    expectProblem(await ask(`${there}/v1/transactions`), 401)
  })
})

describe('without keys', () => {
  it.runIf(outside)('only loopback is served, whatever a header says; health answers everyone', async () => {
    const { url, log } = await world.start('api', { HOST: '0.0.0.0' })
    const there = at(url, outside ?? '')
    for (const path of GUARDED) {
      const answer = await ask(`${there}${path}`)
      expectProblem(answer, 403)
      expect(answer.body).toContain('API_KEYS')
    }
    const claims = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'host', 'client-ip', 'x-client-ip']
    for (const header of claims) {
      expectProblem(await ask(`${there}/v1/transactions`, { [header]: '127.0.0.1' }), 403)
    }
    for (const path of OPEN) expect((await ask(`${there}${path}`)).status).toBe(200)
    expect((await ask(`${at(url, '127.0.0.1')}/v1/transactions`)).status).toBe(200)
    const warnings = log.filter((entry) => entry['level'] === 40)
    expect(warnings.map((entry) => entry['setting'])).toEqual(['API_KEYS'])
  })

  it.runIf(outside && hasIPv6)('an IPv4 peer of an IPv6 socket is told apart too', async () => {
    const { url } = await world.start('api', { HOST: '::' })
    expectProblem(await ask(`${at(url, outside ?? '')}/v1/transactions`), 403)
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      expect((await ask(`${at(url, host)}/v1/transactions`)).status).toBe(200)
    }
  })

  it.each([
    ['a proxy on this machine passed on', { 'x-forwarded-for': '203.0.113.9' }],
    ['a proxy on this machine passed on in the standard way', { forwarded: 'for=203.0.113.9' }],
    ['a web page had a browser send under its own name', { host: 'evil.example' }],
  ])('a request that %s is refused', async (_title, headers: Record<string, string>) => {
    const { url } = await world.start('api')
    expectProblem(await ask(`${url}/v1/transactions`, headers), 403)
    expectProblem(await ask(`${url}/v1/transactions`, headers, { txHash: randomHash() }), 403)
  })

  it('the log says so', async () => {
    const { log } = await world.start('api')
    const said = log.filter((entry) => entry['setting'] === 'API_KEYS')
    expect(said).toMatchObject([{ level: 30, msg: expect.stringContaining('only loopback is served') }])
  })

  it('the rate is limited by address', async () => {
    const { url } = await world.start('api', { RATE_LIMIT_PER_MINUTE: '2' })
    const statuses: number[] = []
    for (let count = 0; count < 3; count++) statuses.push((await ask(`${url}/v1/transactions`)).status)
    expect(statuses).toEqual([200, 200, 429])
  })
})
