import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COUNTERS, GAUGES, HISTOGRAMS, type MetricDefinition } from '../../src/observe/metric-definitions.ts'
import { createWorld, type RunningConfirmd, register, untilStatus, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'

let world: World
let api: RunningConfirmd

beforeAll(async () => {
  world = await createWorld('table')
  api = await world.start('api')
})
afterAll(() => world.close())

async function send(path: string, init: RequestInit = {}) {
  const response = await fetch(`${api.url}${path}`, init)
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}

function post(body: string, contentType = 'application/json') {
  return send('/v1/transactions', { method: 'POST', headers: { 'content-type': contentType }, body })
}

describe('POST /v1/transactions', () => {
  it('answers 202 when the row is committed, and shows it as the contract says', async () => {
    const txHash = randomHash()
    const { status, body } = await register(api.url, { txHash, kind: 'mint', payload: { tokenId: '7' } })
    expect(status).toBe(202)
    const row = await world.db('confirmd.transaction_history').where({ tx_hash: txHash }).first()
    expect(row).toMatchObject({ id: body.id, status: 'pending', is_confirmed: false, kind: 'mint' })
    expect(body).toEqual({
      id: row.id,
      chain: 'kaia',
      txHash,
      kind: 'mint',
      payload: { tokenId: '7' },
      status: 'pending',
      retryCount: 0,
      failure: null,
      receipt: null,
      lastError: null,
      writeState: null,
      replacedBy: null,
      createdAt: row.created_at.toISOString(),
      lastCheckedAt: null,
      nextCheckAt: row.next_check_at.toISOString(),
      settledAt: null,
    })
  })

  it('answers 200 with the same row when the content is known, however it is written', async () => {
    const txHash = randomHash()
    const first = await register(api.url, {
      txHash,
      payload: { a: 1, b: 2 },
      from: `0x${'A'.repeat(40)}`,
      nonce: 5,
    })
    const again = await register(api.url, {
      nonce: 5,
      from: `0x${'a'.repeat(40)}`,
      payload: { b: 2, a: 1 },
      chain: 'kaia',
      kind: 'default',
      txHash: `0x${txHash.slice(2).toUpperCase()}`,
    })
    expect([first.status, again.status]).toEqual([202, 200])
    expect(again.body.id).toBe(first.body.id)
  })

  it.each([
    ['payload', { payload: { a: 2 } }],
    ['payload', { payload: undefined }],
    ['from', { from: `0x${'b'.repeat(40)}` }],
    ['nonce', { nonce: 6 }],
  ])(
    'answers 409 when its kind knows the hash with another %s, and changes nothing',
    async (field, change) => {
      const content = {
        txHash: randomHash(),
        kind: 'mint',
        payload: { a: 1 },
        from: `0x${'a'.repeat(40)}`,
        nonce: 5,
      }
      await register(api.url, content)
      const before = await world.db('confirmd.transaction_history').where({ tx_hash: content.txHash })
      const { status, body } = await register(api.url, { ...content, ...change })
      expect(status).toBe(409)
      expect(body.detail).toContain(content.txHash)
      expect(body.errors?.map((each) => each.field)).toEqual([field])
      expect(await world.db('confirmd.transaction_history').where({ tx_hash: content.txHash })).toEqual(
        before,
      )
    },
  )

  it('takes a hash once for each kind: who comes first does not decide for the others', async () => {
    const txHash = randomHash()
    const kinds = ['mint', 'points', 'audit']
    const answers = await Promise.all(
      kinds.map((kind) => register(api.url, { txHash, kind, payload: { of: kind } })),
    )
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
    const rows = await world.db('confirmd.transaction_history').where({ tx_hash: txHash }).orderBy('kind')
    expect(rows.map(({ kind, payload }) => [kind, payload])).toEqual(
      kinds.toSorted().map((kind) => [kind, { of: kind }]),
    )
  })

  it('makes one row of 50 concurrent identical requests, and answers all of them with it', async () => {
    const txHash = randomHash()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => register(api.url, { txHash, kind: 'mint', payload: { a: 1 } })),
    )
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(49)
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
    expect(await world.db('confirmd.transaction_history').where({ tx_hash: txHash })).toHaveLength(1)
  })

  it('makes one row of 50 concurrent requests with 50 contents, and answers the others 409', async () => {
    const txHash = randomHash()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => register(api.url, { txHash, payload: { index } })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([202, ...Array<number>(49).fill(409)])
  })

  const valid = { txHash: `0x${'1'.repeat(64)}` }
  it.each([
    ['txHash', {}],
    ['txHash', { txHash: null }],
    ['txHash', { txHash: 12 }],
    ['txHash', { txHash: '1'.repeat(66) }],
    ['txHash', { txHash: `0x${'1'.repeat(63)}` }],
    ['txHash', { txHash: `0x${'g'.repeat(64)}` }],
    ['txHash', { txHash: `0x${'1'.repeat(64)}\n` }],
    ['chain', { ...valid, chain: 'base' }],
    ['chain', { ...valid, chain: 5 }],
    ['kind', { ...valid, kind: '' }],
    ['kind', { ...valid, kind: 'a b' }],
    ['kind', { ...valid, kind: 'k'.repeat(65) }],
    ['kind', { ...valid, kind: null }],
    ['from', { ...valid, from: '0x12' }],
    ['from', { ...valid, from: 5 }],
    ['nonce', { ...valid, nonce: -1 }],
    ['nonce', { ...valid, nonce: 1.5 }],
    ['nonce', { ...valid, nonce: '1' }],
    ['payload.a', { ...valid, payload: { a: 'x\u0000' } }],
    ['payload.list[1]', { ...valid, payload: { list: [1, '\ud800'] } }],
    ['txhash', { ...valid, txhash: 'a misspelt field' }],
  ])('answers 400 naming %s: %j', async (field, body) => {
    const { status, body: problem } = await register(api.url, body)
    expect(status).toBe(400)
    expect(problem.errors?.map((error) => error.field)).toContain(field)
    expect(problem.detail).toContain(field)
  })

  it('names every bad field at once', async () => {
    const { body } = await register(api.url, { txHash: 'x', nonce: -1, kind: '', other: 1 })
    expect(body.errors?.map(({ field }) => field).sort()).toEqual(['kind', 'nonce', 'other', 'txHash'])
  })

  it.each([
    ['payload.tokenId', '{"tokenId":123456789012345678901}'],
    ['payload.items[2].amount', '{"items":[{},{},{"amount":1234.567890123456789012}]}'],
    ['payload', '1e-400'],
  ])('refuses a number that would lose digits, naming %s', async (field, payload) => {
    const txHash = randomHash()
    const { status, body } = await post(`{"txHash":"${txHash}","payload":${payload}}`)
    expect(status).toBe(400)
    const message = 'is a number that would lose digits; send it as a string'
    expect(body).toMatchObject({ detail: `${field} ${message}`, errors: [{ field, message }] })
    expect(await world.db('confirmd.transaction_history').where({ tx_hash: txHash })).toEqual([])
  })

  it('takes a number in any notation that keeps its value', async () => {
    const txHash = randomHash()
    const { status, body } = await post(`{"txHash":"${txHash}","payload":[1.10,1e2,-0,1e21,0.1]}`)
    expect(status).toBe(202)
    expect(body['payload']).toEqual([1.1, 100, 0, 1e21, 0.1])
  })

  it.each([
    ['not JSON', '{"txHash":', 'application/json', 400],
    ['empty', '', 'application/json', 400],
    ['a list', '[]', 'application/json', 400],
    ['a string', '"x"', 'application/json', 400],
    ['poisoned', '{"__proto__":{"x":1}}', 'application/json', 400],
    [
      'poisoned inside',
      '{"payload":{"constructor":{"prototype":{"x":1.00000000000000000001}}}}',
      'application/json',
      400,
    ],
    ['of another type', 'txHash=1', 'application/x-www-form-urlencoded', 415],
    ['too large', JSON.stringify({ ...valid, payload: 'x'.repeat(300_000) }), 'application/json', 413],
    [
      'nested too deep',
      `{"txHash":"${valid.txHash}","payload":${'['.repeat(9000)}${']'.repeat(9000)}}`,
      'application/json',
      400,
    ],
  ])('answers a body that is %s with a problem', async (_title, body, contentType, expected) => {
    const answer = await post(body, contentType)
    expect(answer.status).toBe(expected)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(answer.body).toMatchObject({ type: 'about:blank', status: expected, title: expect.any(String) })
  })
})

describe('GET /v1/transactions/:id', () => {
  it('shows a transaction', async () => {
    const { body } = await register(api.url, { txHash: randomHash() })
    expect((await send(`/v1/transactions/${body.id}`)).body).toEqual({
      ...body,
      ...{ from: null, nonce: null, correlationId: expect.any(String), handlerAttempts: 0 },
      ...{ parkedAt: null, stalledAt: null, looks: [] },
    })
  })

  it('answers 404 for an id that is not there, 400 for one that is none', async () => {
    expect((await send('/v1/transactions/01a1fcf8-4105-7698-b979-000000000000')).status).toBe(404)
    const { status, body } = await send('/v1/transactions/12')
    expect(status).toBe(400)
    expect(body['errors']).toMatchObject([{ field: 'id' }])
  })
})

describe('GET /v1/transactions', () => {
  it('pages through all rows, the newest first, none twice and none left out while new ones come', async () => {
    const kind = 'paging'
    const ids: string[] = []
    for (let count = 0; count < 7; count++) {
      ids.unshift((await register(api.url, { txHash: randomHash(), kind })).body.id)
    }
    const seen: unknown[] = []
    let cursor: unknown = null
    do {
      const query = `/v1/transactions?kind=${kind}&limit=3${cursor ? `&cursor=${String(cursor)}` : ''}`
      const { body } = await send(query)
      seen.push(...(body['transactions'] as { id: string }[]).map(({ id }) => id))
      cursor = body['nextCursor']
      await register(api.url, { txHash: randomHash(), kind })
    } while (cursor)
    expect(seen).toEqual(ids)
  })

  it('filters by hash, status and chain', async () => {
    const txHash = randomHash()
    const { body } = await register(api.url, { txHash })
    const found = async (query: string) =>
      ((await send(`/v1/transactions?${query}`)).body['transactions'] as { id: string }[]).map(({ id }) => id)
    expect(await found(`txHash=0x${txHash.slice(2).toUpperCase()}`)).toEqual([body.id])
    expect(await found(`txHash=${txHash}&status=pending&chain=kaia`)).toEqual([body.id])
    expect(await found(`txHash=${txHash}&status=confirmed`)).toEqual([])
    expect(await found(`txHash=${txHash}&chain=base`)).toEqual([])
  })

  it('tells what is parked apart from what is merely pending', async () => {
    const kind = 'parking'
    const [parked, pending] = await Promise.all(
      [randomHash(), randomHash()].map((txHash) => register(api.url, { txHash, kind })),
    )
    const parkedAt = '2026-11-21T09:00:00.000Z'
    await world
      .db('confirmd.transaction_history')
      .where({ id: parked?.body.id })
      .update({ parked_at: parkedAt })
    const found = async (query: string) =>
      (await send(`/v1/transactions?kind=${kind}&${query}`)).body['transactions']
    expect(await found('parked=true')).toMatchObject([{ id: parked?.body.id, status: 'pending', parkedAt }])
    expect(await found('parked=false')).toMatchObject([{ id: pending?.body.id, parkedAt: null }])
    expect(await found('')).toHaveLength(2)
  })

  it.each([
    'status=lost',
    'parked=maybe',
    'limit=0',
    'limit=201',
    'limit=x',
    'txHash=1',
    'cursor=abc',
    'unknown=1',
  ])('answers 400 naming the parameter: %s', async (query) => {
    const { status, body } = await send(`/v1/transactions?${query}`)
    expect(status).toBe(400)
    expect(body['errors']).toMatchObject([{ field: query.split('=')[0] }])
  })
})

describe('around the API', () => {
  it('gives back the X-Request-Id and stores it as the correlation id', async () => {
    const txHash = randomHash()
    const response = await fetch(`${api.url}/v1/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'order-42' },
      body: JSON.stringify({ txHash }),
    })
    expect(response.headers.get('x-request-id')).toBe('order-42')
    expect(await world.db('confirmd.transaction_history').where({ tx_hash: txHash }).first()).toMatchObject({
      correlation_id: 'order-42',
    })
  })

  it('makes a request id of its own where the given one could not be logged safely', async () => {
    for (const id of ['x'.repeat(129), 'a b']) {
      const given = (await send('/healthz', { headers: { 'x-request-id': id } })).headers.get('x-request-id')
      expect(given).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  it('answers an unknown path with a problem', async () => {
    const { status, body } = await send('/v2/nothing')
    expect(status).toBe(404)
    expect(body['detail']).toContain('GET /v2/nothing')
  })

  it('is healthy and ready, and says what it looked at', async () => {
    expect(await send('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } })
    expect(await send('/readyz')).toMatchObject({
      status: 200,
      body: { checks: { database: 'ok', process: 'ok' } },
    })
  })

  it('describes itself: every route of the contract is in openapi.json', async () => {
    const { body } = await send('/openapi.json')
    const paths = Object.keys(body['paths'] as object)
    expect(paths).toEqual(
      expect.arrayContaining([
        '/v1/transactions',
        '/v1/transactions/{id}',
        '/v1/transactions/{id}/recheck',
        '/healthz',
        '/readyz',
      ]),
    )
    const { responses } = (body['paths'] as Record<string, { post: { responses: Record<string, unknown> } }>)[
      '/v1/transactions'
    ]?.post ?? { responses: {} }
    expect(responses['202']).toMatchObject({
      content: { 'application/json': { schema: { type: 'object' } } },
    })
    expect(responses['400']).toMatchObject({ content: { 'application/problem+json': {} } })
    expect((await fetch(`${api.url}/docs`)).status).toBe(200)
  })

  it('has metrics, those of a worker not among them', async () => {
    const text = await (await fetch(`${api.url}/metrics`)).text()
    const all: MetricDefinition[] = [COUNTERS, HISTOGRAMS, GAUGES].flatMap((each) => Object.values(each))
    expect(new Set(all.map(({ source }) => source))).toEqual(new Set(['every', 'worker', 'shared']))
    for (const { name, source } of all) {
      expect(text.includes(`# HELP ${name} `), name).toBe(source !== 'worker')
    }
  })
})

describe('POST /v1/transactions/batch', () => {
  function batch(transactions: unknown[]) {
    return batchText(JSON.stringify({ transactions }))
  }

  async function batchText(text: string) {
    const { status, body } = await send('/v1/transactions/batch', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: text,
    })
    const results = (body['results'] ?? []) as {
      status: number
      transaction?: { id: string; txHash: string }
      problem?: { detail: string; errors?: { field: string; message: string }[] }
    }[]
    return { status, body, results }
  }

  it('answers each as it would have been answered alone, in their order', async () => {
    const known = randomHash()
    const twice = randomHash()
    const first = await register(api.url, { txHash: known, payload: { a: 1 } })
    const { status, results } = await batch([
      { txHash: randomHash() },
      { txHash: known, payload: { a: 1 } },
      { txHash: known, payload: { a: 2 } },
      { txHash: 'no hash' },
      { txHash: randomHash(), chain: 'other' },
      { txHash: twice },
      { txHash: twice },
      null,
      { txHash: randomHash(), payload: 'a\u0000b' },
    ])
    expect(status).toBe(200)
    expect(results.map((each) => each.status)).toEqual([202, 200, 409, 400, 400, 202, 200, 400, 400])
    expect(results[1]?.transaction?.id).toBe(first.body.id)
    expect(results[5]?.transaction?.id).toBe(results[6]?.transaction?.id)
    expect(results[3]?.problem?.errors).toMatchObject([{ field: 'txHash' }])
    expect(results[4]?.problem?.detail).toContain("this confirmd watches 'kaia'")
  })

  it('refuses the one with a number that would lose digits, and records the others', async () => {
    const hashes = [randomHash(), randomHash(), randomHash()]
    const payloads = ['{"amount":1.5}', '{"items":[{"amount":1234.567890123456789012}]}', '{"amount":1e2}']
    const texts = hashes.map((txHash, index) => `{"txHash":"${txHash}","payload":${payloads[index]}}`)
    const { status, results } = await batchText(`{"transactions":[${texts.join(',')}]}`)
    expect(status).toBe(200)
    expect(results.map((each) => each.status)).toEqual([202, 400, 202])
    expect(results[1]?.problem?.errors).toMatchObject([{ field: 'payload.items[0].amount' }])
    const rows = await world.db('confirmd.transaction_history').whereIn('tx_hash', hashes)
    expect(Object.fromEntries(rows.map(({ tx_hash, payload }) => [tx_hash, payload]))).toEqual({
      [hashes[0] as string]: { amount: 1.5 },
      [hashes[2] as string]: { amount: 100 },
    })
  })

  it('records 1,000 and says no to 1,001 and to none', async () => {
    const hashes = Array.from({ length: 1_000 }, randomHash)
    const { results } = await batch(hashes.map((txHash) => ({ txHash })))
    expect(results.map(({ transaction }) => transaction?.txHash)).toEqual(hashes)
    const [row] = await world.db('confirmd.transaction_history').whereIn('tx_hash', hashes).count()
    expect(row?.['count']).toBe('1000')
    for (const refused of [[], [...hashes, randomHash()].map((txHash) => ({ txHash }))]) {
      const { status, body } = await batch(refused)
      expect(status).toBe(400)
      expect(body['errors']).toMatchObject([{ field: 'transactions' }])
    }
  })

  it('publishes a check for each that is new', async () => {
    const worker = await world.start('worker')
    const hashes = [randomHash(), randomHash(), randomHash()]
    for (const txHash of hashes) world.node.include(txHash)
    await batch(hashes.map((txHash) => ({ txHash })))
    for (const txHash of hashes) await untilStatus(world.db, txHash, 'confirmed')
    await worker.stop()
  })
})
