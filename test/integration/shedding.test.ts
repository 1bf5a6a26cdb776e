import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createWorld, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const LIMIT = 20

let world: World
beforeAll(async () => {
  world = await createWorld('table', { MAX_REQUESTS_IN_FLIGHT: String(LIMIT), DATABASE_POOL_MAX: '5' })
})
afterEach(() => world.stopAll())
afterAll(() => world.close())

function post(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${url}/v1/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ txHash: randomHash(), kind: 'flood' }),
    ...init,
  })
}

/** The statuses of as many requests as may be in flight, sent at once. */
async function fill(url: string): Promise<number[]> {
  return Promise.all(Array.from({ length: LIMIT }, async () => (await post(url)).status))
}

/** Nothing of what went before is still counted: as many as ever are served at once. */
async function expectAllSlotsFree(url: string): Promise<void> {
  await until('all slots are free', async () => (await fill(url)).every((status) => status === 202))
}

/** Keeps every statement on the table waiting, as an overloaded database does, until released. */
async function pauseDatabase(): Promise<{ release(): Promise<void> }> {
  const trx = await world.db.transaction()
  await trx.raw('LOCK TABLE confirmd.transaction_history IN ACCESS EXCLUSIVE MODE')
  return { release: async () => void (await trx.rollback()) }
}

async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** Asked with a body that is refused before it needs the database, which may stand still. */
async function isShedding(url: string): Promise<boolean> {
  const { status } = await post(url, { body: '{}' })
  return status === 503
}

async function expectUnshed(url: string): Promise<void> {
  for (const path of ['/healthz', '/docs', '/openapi.json']) {
    expect((await fetch(`${url}${path}`)).status).toBe(200)
  }
}

describe('a flood while the database stands still', () => {
  it('is answered 503 at once beyond the limit; what was let in is recorded, and all goes on after', async () => {
    const { url } = await world.start('api')
    const before = await world.db('confirmd.transaction_history').where({ kind: 'flood' })
    const pause = await pauseDatabase()
    const answers: Response[] = []
    const flood = Array.from({ length: 200 }, async () => {
      const answer = await post(url)
      answers.push(answer)
    })
    try {
      await until('all beyond the limit are answered', () => answers.length >= 200 - LIMIT)
      await expectUnshed(url)
      expect(answers).toHaveLength(200 - LIMIT)
      for (const answer of answers) {
        expect(answer.status).toBe(503)
        expect(answer.headers.get('content-type')).toContain('application/problem+json')
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      }
    } finally {
      await pause.release()
    }
    await Promise.all(flood)
    expect(answers.slice(200 - LIMIT).map(({ status }) => status)).toEqual(Array(LIMIT).fill(202))
    expect(await world.db('confirmd.transaction_history').where({ kind: 'flood' })).toHaveLength(
      before.length + LIMIT,
    )
    await expectAllSlotsFree(url)
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain(`confirmd_http_refused_total{reason="overloaded"} ${200 - LIMIT}`)
  })

  it('counts callers who went away for as long as their work goes on', async () => {
    const { url } = await world.start('api')
    const pause = await pauseDatabase()
    try {
      const abort = new AbortController()
      const given = Array.from({ length: LIMIT }, () => post(url, { signal: abort.signal }).catch(() => null))
      await until('the limit is reached', () => isShedding(url))
      abort.abort()
      expect(await Promise.all(given)).toEqual(Array(LIMIT).fill(null))
      for (let count = 0; count < 5; count++) expect(await isShedding(url)).toBe(true)
    } finally {
      await pause.release()
    }
    await expectAllSlotsFree(url)
  })

  it('frees what was asked for in a pipeline of a connection that broke', async () => {
    const { url } = await world.start('api')
    const pause = await pauseDatabase()
    try {
      const socket = await openSocket(url)
      socket.write('GET /v1/transactions HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(LIMIT))
      await until('the limit is reached', () => isShedding(url))
      socket.destroy()
    } finally {
      await pause.release()
    }
    await expectAllSlotsFree(url)
  })
})

it('requests count before their bodies are there, since bodies take memory; a broken one is freed', async () => {
  const { url } = await world.start('api')
  const head = 'POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
  const sockets = await Promise.all(Array.from({ length: LIMIT }, () => openSocket(url)))
  for (const socket of sockets) socket.write(`${head}Content-Length: 1000\r\n\r\n{"txHash":`)
  await until('the limit is reached', () => isShedding(url))
  await expectUnshed(url)
  for (const socket of sockets) socket.destroy()
  await expectAllSlotsFree(url)
})

it('requests that are refused leave nothing behind that counts', async () => {
  const { url } = await world.start('api')
  const bodies = ['{', '{}', '"x"', JSON.stringify({ txHash: randomHash(), chain: 'base' })]
  for (let count = 0; count < 2 * LIMIT; count++) {
    const refused = await post(url, { body: bodies[count % bodies.length] ?? '' })
    expect(refused.status).toBe(400)
    await refused.arrayBuffer()
  }
  await expectAllSlotsFree(url)
})

it('beyond its memory the API sheds, and health, docs and metrics answer', async () => {
  const { url } = await world.start('api', { MAX_MEMORY_MB: '1' })
  await until('it sheds', () => isShedding(url))
  const shed = await fetch(`${url}/v1/transactions`)
  expect(shed.status).toBe(503)
  expect(shed.headers.get('retry-after')).toBe('1')
  await expectUnshed(url)
  for (const path of ['/readyz', '/metrics']) expect((await fetch(`${url}${path}`)).status).toBe(200)
})

it('with its event loop held up the API sheds, and recovers', async () => {
  const { url } = await world.start('api', { MAX_EVENT_LOOP_DELAY_MS: '40' })
  const holdUp = setInterval(() => {
    const end = performance.now() + 150
    while (performance.now() < end);
  }, 1)
  try {
    await until('it sheds', () => isShedding(url))
  } finally {
    clearInterval(holdUp)
  }
  await until('it serves again', async () => !(await isShedding(url)))
})
