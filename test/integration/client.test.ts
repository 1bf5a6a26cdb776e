import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Webhook as Signer } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type ConfirmdClient,
  ConfirmdError,
  createClient,
  type TransactionEvent,
  verifyWebhook,
  WaitTimeoutError,
  WebhookVerificationError,
} from '../../src/client.ts'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'
import { createApiKey } from '../../src/http/api-key.ts'
import { createWorld, type RunningConfirmd, type World } from '../support/confirmd.ts'
import { insertOutcomes } from '../support/relays.ts'
import { randomHash } from '../support/scripted-node.ts'

describe('the client and a live server', () => {
  const { key, entry } = createApiKey('shop')
  let world: World
  let confirmd: RunningConfirmd
  let client: ConfirmdClient

  beforeAll(async () => {
    world = await createWorld('table', { RETRY_LIMIT: '1000', API_KEYS: entry })
    confirmd = await world.start()
    client = createClient({ url: `${confirmd.url}/`, apiKey: key })
  })
  afterAll(() => world.close())

  it('tracks a transaction, again as the same, and waits for its verdict', async () => {
    const txHash = randomHash()
    const tracked = await client.track({ txHash, kind: 'order', payload: { id: 1 } })
    expect(tracked).toMatchObject({ txHash, kind: 'order', payload: { id: 1 }, status: 'pending' })
    expect((await client.track({ txHash, kind: 'order', payload: { id: 1 } })).id).toBe(tracked.id)
    const waiting = client.waitFor(tracked.id)
    world.node.include(txHash)
    expect(await waiting).toMatchObject({ id: tracked.id, status: 'confirmed' })
    expect(await client.get(tracked.id)).toMatchObject({ status: 'confirmed' })
    expect(await client.get('00000000-0000-7000-8000-000000000000')).toBeNull()
  })

  it('tracks many, each with a result of its own', async () => {
    const [first, second] = [randomHash(), randomHash()]
    const results = await client.trackMany([{ txHash: first }, { txHash: 'none' }, { txHash: second }])
    expect(results).toMatchObject([
      { status: 202, transaction: { txHash: first } },
      { status: 400, problem: { detail: expect.stringContaining('txHash') } },
      { status: 202, transaction: { txHash: second } },
    ])
  })

  it('says what was wrong, in the words of the server', async () => {
    const error = await client.track({ txHash: '0x1' }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConfirmdError)
    expect(error).toMatchObject({ status: 400, errors: [{ field: 'txHash' }] })
    const stranger = createClient({ url: confirmd.url, apiKey: 'none' })
    await expect(stranger.track({ txHash: randomHash() })).rejects.toMatchObject({ status: 401 })
  })

  it('a wait ends after its time, and when nobody wants it any more', async () => {
    const { id } = await client.track({ txHash: randomHash() })
    await expect(client.waitFor(id, { timeoutMs: 300 })).rejects.toBeInstanceOf(WaitTimeoutError)
    const stop = new AbortController()
    const waiting = client.waitFor(id, { signal: stop.signal })
    stop.abort(new Error('changed my mind'))
    await expect(waiting).rejects.toThrow('changed my mind')
  })

  it('reads events in order from where it was, without end, until it is stopped', async () => {
    await insertOutcomes(
      world.db,
      Array.from({ length: 250 }, () => ({ statuses: ['confirmed'], kind: 'many' })),
    )
    const events: TransactionEvent[] = []
    for await (const event of client.events({ after: '0', kind: 'many' })) {
      events.push(event)
      if (events.length === 150) break
    }
    const stop = new AbortController()
    const rest = async () => {
      for await (const event of client.events({
        after: events.at(-1)?.sequence ?? '',
        kind: 'many',
        signal: stop.signal,
      })) {
        events.push(event)
        if (events.length === 251) stop.abort(new Error('enough'))
      }
    }
    const reading = rest()
    await insertOutcomes(world.db, [{ statuses: ['failed'], kind: 'many' }])
    await expect(reading).rejects.toThrow('enough')
    const sequences = events.map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.toSorted())
    expect(new Set(events.map(({ id }) => id)).size).toBe(251)
    expect(events.at(-1)?.data.status).toBe('failed')
  })
})

describe('the client and a server in trouble', () => {
  const answers: ((response: ServerResponse) => void)[] = []
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    const answer = answers.shift() ?? ((each) => json(each, 200, { id: '1', status: 'confirmed' }))
    answer(response)
  })
  let client: ConfirmdClient

  beforeAll(async () => {
    const port = await listenOnLoopback(server)
    client = createClient({ url: `http://127.0.0.1:${port}/prefix`, timeoutMs: 500 })
  })
  afterEach(() => {
    answers.splice(0)
    requests.splice(0)
  })
  afterAll(() => closeAtOnce(server))

  const fails = {
    'no answer': (response: ServerResponse) => void response.destroy(),
    'an answer that never comes': () => undefined,
    'overload, with Retry-After': (response: ServerResponse) =>
      json(response, 503, {}, { 'retry-after': '0' }),
    'too many requests': (response: ServerResponse) => json(response, 429, {}, { 'retry-after': '0' }),
    'a gateway without a server': (response: ServerResponse) => json(response, 502, {}),
  }

  it.each(Object.entries(fails))('%s: it is tried again', async (_, fail) => {
    answers.push(fail, fail)
    expect(await client.track({ txHash: randomHash() })).toMatchObject({ id: '1' })
    expect(requests).toHaveLength(3)
    expect(requests[0]?.url).toBe('/prefix/v1/transactions')
  })

  it('not for ever', async () => {
    answers.push(...Array.from({ length: 9 }, () => fails['no answer']))
    await expect(client.get('1')).rejects.toThrow('no answer')
    expect(requests).toHaveLength(4)
  })

  it.each([400, 401, 404, 409, 500])('status %i is an answer: it is not tried again', async (code) => {
    answers.push((response) => json(response, code, { detail: 'as it is' }))
    await expect(client.track({ txHash: randomHash() })).rejects.toThrow(`${code}: as it is`)
    expect(requests).toHaveLength(1)
  })
})

describe('verifying a webhook', () => {
  const secret = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`
  const body = JSON.stringify({ id: 'e', data: { text: 'ünï' } })

  function headersOf(at: Date, signedBody = body, by = secret): Record<string, string> {
    return {
      'webhook-id': 'e',
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': `v1a,xx v1,AAAA ${new Signer(by).sign('e', at, signedBody)}`,
    }
  }

  it('takes what the library of the specification has signed, as text or bytes, with headers of either form', async () => {
    const headers = headersOf(new Date())
    const event = JSON.parse(body)
    expect(await verifyWebhook({ headers, body, secret })).toEqual(event)
    const given = { headers: new Headers(headers), body: new TextEncoder().encode(body), secret }
    expect(await verifyWebhook(given)).toEqual(event)
  })

  const other = `whsec_${Buffer.from('another secret of 32 characters!').toString('base64')}`
  const wrong: Record<string, () => Record<string, string>> = {
    'another body': () => headersOf(new Date(), '{}'),
    'another secret': () => headersOf(new Date(), body, other),
    'an old one': () => headersOf(new Date(Date.now() - 301_000)),
    'one of the future': () => headersOf(new Date(Date.now() + 310_000)),
    'no headers': () => ({}),
    'no time': () => ({ ...headersOf(new Date()), 'webhook-timestamp': 'now' }),
    'no base64': () => ({ ...headersOf(new Date()), 'webhook-signature': 'v1,%%' }),
  }
  it.each(Object.entries(wrong))('refuses %s', async (_, headers) => {
    await expect(verifyWebhook({ headers: headers(), body, secret })).rejects.toBeInstanceOf(
      WebhookVerificationError,
    )
  })
})

function json(
  response: ServerResponse,
  code: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
