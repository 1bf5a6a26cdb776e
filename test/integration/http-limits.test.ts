import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createWorld, type RunningConfirmd, type World } from '../support/confirmd.ts'

let world: World
let api: RunningConfirmd
beforeAll(async () => {
  world = await createWorld('table')
  api = await world.start('api')
})
afterAll(() => world.close())

/** All that the server sends until it closes the connection. */
async function sendRaw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(api.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answer += chunk
  })
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}

function expectRawProblem(answer: string, status: number): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  expect(head.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(head.toLowerCase()).toContain('content-type: application/problem+json')
  expect(JSON.parse(body)).toMatchObject({ type: 'about:blank', status })
}

describe('what is no proper request', () => {
  it.each([
    [
      'headers that are too large',
      `GET /healthz HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
    ],
    ['a URL that is too long', `GET /healthz?${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431],
    ['another protocol', 'EHLO mail.example\r\n\r\n', 400],
    [
      'two lengths',
      'POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
  ])('%s: answered with a problem, and the connection is closed', async (_title, bytes, status) => {
    expectRawProblem(await sendRaw(bytes), status)
  })

  it('headers that never end: the connection is given up', async () => {
    expectRawProblem(await sendRaw('GET /healthz HTTP/1.1\r\nHost: a\r\nX: '), 408)
  })

  it.each([
    ['a parameter that is too long', `/v1/transactions/${'1'.repeat(100)}`, 414],
    ['an escape that is none', '/v1/transactions/%zz', 400],
  ])('%s: answered with a problem', async (_title, path, status) => {
    const answer = await fetch(`${api.url}${path}`)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(await answer.json()).toMatchObject({ status })
  })
})

it('a stop does not wait for ever for a request that never ends', async () => {
  const { url, stop } = await world.start('api', { SHUTDOWN_TIMEOUT_MS: '1000' })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  socket.resume()
  socket.write('POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n')
  socket.write('Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n{')
  // The answer to Expect says that the request has begun.
  await once(socket, 'data')
  await stop()
  await closed
})

describe('the headers of answers', () => {
  it('let nothing of an answer run, be framed or be guessed', async () => {
    for (const path of ['/healthz', '/v1/transactions', '/nothing']) {
      const { headers } = await fetch(`${api.url}${path}`, { method: 'HEAD' })
      expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'")
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('SAMEORIGIN')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('x-powered-by')).toBeNull()
    }
  })

  it('let /docs load what it consists of, all of it from here', async () => {
    const page = await fetch(`${api.url}/docs`)
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'self'")
    expect(policy).not.toContain('upgrade-insecure-requests')
    const html = await page.text()
    // What the policy does not allow: scripts within the page.
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/)
    const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '')
    expect(parts.length).toBeGreaterThan(3)
    for (const path of parts) {
      const part = await fetch(new URL(path, page.url))
      expect(part.status).toBe(200)
      await part.arrayBuffer()
    }
  })
})
