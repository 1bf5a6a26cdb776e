import { Webhook as Verifier } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { verifyWebhook } from '../../src/client.ts'
import { createWorld, type RunningConfirmd, register, type World } from '../support/confirmd.ts'
import { type Hook, startHook, status } from '../support/hook.ts'
import { insertOutcomes } from '../support/relays.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

interface DeliveryBody {
  readonly id: string
  readonly nextAttemptAt: string
  readonly attempts: readonly { readonly attemptedAt: string; readonly statusCode: number | null }[]
}

/** The fields of all answers of these routes; each answer has its own of them. */
interface Body {
  readonly id: string
  readonly secret: string
  readonly enabled: boolean
  readonly disabledReason: string | null
  readonly failingSince: string | null
  readonly eventId: string
  readonly replayed: number
  readonly webhooks: readonly object[]
  readonly deliveries: DeliveryBody[]
  readonly errors: readonly { readonly field: string }[]
}

interface Answer {
  readonly status: number
  readonly body: Body
}

describe('webhooks', () => {
  let world: World
  let confirmd: RunningConfirmd
  const hooks: Hook[] = []

  beforeAll(async () => {
    world = await createWorld('table', {
      RETRY_LIMIT: '1000',
      WEBHOOK_RETRY_DELAYS_MS: '50,100,150',
      WEBHOOK_TIMEOUT_MS: '1000',
      WEBHOOK_DISABLE_AFTER_MS: '3600000',
    })
    confirmd = await world.start()
  })
  afterEach(async () => {
    for (const each of hooks.splice(0)) await each.stop()
    await world.db('confirmd.webhooks').delete()
    await world.db('confirmd.outbox').delete()
  })
  afterAll(() => world.close())

  async function call(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${confirmd.url}/v1/webhooks${path}`, {
      method,
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : JSON.parse(text) }
  }

  async function hook(): Promise<Hook> {
    const started = await startHook()
    hooks.push(started)
    return started
  }

  async function create(body: object): Promise<{ id: string; secret: string }> {
    const created = await call('POST', '', body)
    expect(created.status, JSON.stringify(created.body)).toBe(201)
    return created.body
  }

  async function deliveries(id: string, query = ''): Promise<DeliveryBody[]> {
    return (await call('GET', `/${id}/deliveries${query}`)).body.deliveries
  }

  /** The only delivery with this status, as soon as there is one. */
  function untilOne(id: string, wanted: string): Promise<DeliveryBody> {
    return until(`one is ${wanted}`, async () => {
      const found = await deliveries(id, `?status=${wanted}`)
      return found.length === 1 && found[0]
    })
  }

  async function settleOne(kind = 'order', succeeded = true): Promise<string> {
    const txHash = randomHash()
    world.node.include(txHash, { succeeded })
    await register(confirmd.url, { txHash, kind })
    return txHash
  }

  it('sends an outcome, signed so that the own library of the specification and our client verify it', async () => {
    const target = await hook()
    const { id, secret } = await create({ url: target.url })
    const txHash = await settleOne()
    const request = await until('it came', () => target.requests[0])
    const headers = request.headers as Record<string, string>
    expect(new Verifier(secret).verify(request.body, headers)).toEqual(request.event)
    expect(await verifyWebhook({ headers, body: request.body, secret })).toEqual(request.event)
    const stored = await world.db('confirmd.outbox').first('id')
    expect(request.event).toMatchObject({
      ...{ specversion: '1.0', id: stored.id, type: 'confirmd.transaction.confirmed.v1', subject: txHash },
      data: { txHash, status: 'confirmed' },
    })
    expect(headers['webhook-id']).toBe(stored.id)
    expect(headers['content-type']).toBe('application/json')
    const delivery = await untilOne(id, 'delivered')
    expect(delivery).toMatchObject({
      ...{ webhookId: id, eventId: stored.id, eventType: request.event.type, nextAttemptAt: null },
      attempts: [{ statusCode: 200, error: null }],
    })
  })

  it('sends only the kinds and statuses that were asked for, and all others nothing', async () => {
    const [kinds, statuses, all] = [await hook(), await hook(), await hook()]
    await create({ url: kinds.url, kinds: ['a'] })
    await create({ url: statuses.url, statuses: ['failed'] })
    await create({ url: all.url, kinds: null })
    await insertOutcomes(world.db, [
      { statuses: ['confirmed'], kind: 'a' },
      { statuses: ['failed'], kind: 'b' },
      { statuses: ['stalled'], kind: 'c' },
    ])
    await until('all came', () => all.requests.length === 3)
    expect(kinds.requests.map(({ event }) => event.type)).toEqual(['confirmd.transaction.confirmed.v1'])
    expect(statuses.requests.map(({ event }) => event.type)).toEqual(['confirmd.transaction.failed.v1'])
  })

  it('repeats with the same id until 2xx, each attempt with a time and signature of its own', async () => {
    const target = await hook()
    const { id, secret } = await create({ url: target.url })
    target.answer = status(500)
    await settleOne()
    await until('two failed', () => target.requests.length === 2)
    target.answer = status(204)
    const delivery = await untilOne(id, 'delivered')
    expect(new Set(target.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    for (const { headers, body } of target.requests) {
      expect(new Verifier(secret).verify(body, headers as Record<string, string>)).toBeTruthy()
    }
    const codes = delivery.attempts.map(({ statusCode }) => statusCode)
    expect(codes.slice(0, 2)).toEqual([500, 500])
    expect(codes.at(-1)).toBe(204)
  })

  it('gives up after the last time, and a replay begins anew', async () => {
    const target = await hook()
    const { id } = await create({ url: target.url })
    target.answer = status(404)
    await settleOne()
    const failed = await untilOne(id, 'failed')
    expect(failed.attempts).toHaveLength(4)
    expect((await call('GET', `/${id}`)).body.failingSince).toEqual(expect.any(String))
    target.answer = status(200)
    const replayed = await call('POST', `/${id}/deliveries/${failed.id}/replay`)
    expect(replayed).toMatchObject({ status: 202, body: { id: failed.id, status: 'pending' } })
    await until('it is delivered', async () => (await deliveries(id, '?status=delivered')).length === 1)
    expect((await call('GET', `/${id}`)).body.failingSince).toBeNull()
  })

  it('an endpoint that hangs holds up no other, and is let go after the time limit', async () => {
    const [hanging, good] = [await hook(), await hook()]
    hanging.answer = () => undefined
    const { id } = await create({ url: hanging.url })
    await create({ url: good.url })
    await insertOutcomes(
      world.db,
      Array.from({ length: 300 }, () => ({ statuses: ['confirmed'] })),
      4,
    )
    await until('the other has everything', () => good.requests.length === 300)
    expect(await deliveries(id, '?status=delivered&limit=1')).toEqual([])
    const timedOut = await until('its attempts are logged', () =>
      world.db('confirmd.webhook_attempts').where({ status_code: null }).first(),
    )
    expect(timedOut.error).toBe('no answer within 1000 ms')
  })

  it('waits as long as Retry-After says', async () => {
    const target = await hook()
    const { id } = await create({ url: target.url })
    target.answer = status(503, { 'retry-after': '3600' })
    await settleOne()
    const delivery = await until('it failed once', async () => {
      const [found] = await deliveries(id)
      return found?.attempts.length === 1 && found
    })
    expect(
      Date.parse(delivery.nextAttemptAt) - Date.parse(delivery.attempts[0]?.attemptedAt ?? ''),
    ).toBeGreaterThan(3_500_000)
  })

  it('410 switches it off, with an event; switched on again it gets what waits', async () => {
    const [gone, other] = [await hook(), await hook()]
    const { id } = await create({ url: gone.url })
    await create({ url: other.url })
    gone.answer = status(410)
    await settleOne()
    const found = await until('it is off', async () => {
      const { body } = await call('GET', `/${id}`)
      return !body.enabled && body
    })
    expect(found.disabledReason).toContain('410')
    await settleOne()
    await until('the other has both', () => other.requests.length === 2)
    expect(gone.requests).toHaveLength(1)
    const events = await until('there is an event of it', async () => {
      const { events } = (await (await fetch(`${confirmd.url}/v1/events`)).json()) as { events: object[] }
      return events.length === 3 && events
    })
    expect(events).toContainEqual(
      expect.objectContaining({
        ...{ type: 'confirmd.webhook.disabled.v1', subject: id, source: 'urn:confirmd:webhook' },
        data: { id, url: gone.url, reason: expect.stringContaining('410') },
      }),
    )
    gone.answer = status(200)
    expect((await call('PATCH', `/${id}`, { enabled: true })).body).toMatchObject({
      ...{ enabled: true, disabledReason: null, failingSince: null },
    })
    const replayed = await call('POST', `/${id}/replay`, { from: '2000-01-01T00:00:00Z' })
    expect(replayed).toMatchObject({ status: 202, body: { replayed: 2 } })
    await until('it has both', () => gone.requests.length === 3)
  })

  it('an endpoint of which every attempt has failed for long is switched off', async () => {
    const target = await hook()
    const { id } = await create({ url: target.url })
    await world.db('confirmd.webhooks').update({ failing_since: new Date(Date.now() - 3_600_001) })
    target.answer = status(500)
    await settleOne()
    const found = await until('it is off', async () => {
      const { body } = await call('GET', `/${id}`)
      return !body.enabled && body
    })
    expect(found.disabledReason).toContain('every attempt has failed since')
  })

  it('redirects are not followed', async () => {
    const [target, elsewhere] = [await hook(), await hook()]
    const { id } = await create({ url: target.url })
    target.answer = status(307, { location: elsewhere.url })
    await settleOne()
    const failed = await untilOne(id, 'failed')
    expect(failed.attempts[0]).toMatchObject({ statusCode: 307, error: expect.stringContaining('redirect') })
    expect(elsewhere.requests).toEqual([])
  })

  it('a replay of a time range sends what failed and what came before the webhook, and on demand what was delivered', async () => {
    await insertOutcomes(
      world.db,
      Array.from({ length: 5 }, () => ({ statuses: ['confirmed'], kind: 'a' })),
    )
    await insertOutcomes(world.db, [{ statuses: ['confirmed'], kind: 'b' }])
    await until('they are in the feed', async () => {
      const [found] = await world.db('confirmd.outbox').whereNull('sequence').count()
      return found?.['count'] === '0'
    })
    const target = await hook()
    const { id } = await create({ url: target.url, kinds: ['a'] })
    const aSecondEach = world.db.raw("now() - interval '1 hour' + sequence * interval '1 second'")
    await world.db('confirmd.outbox').update({ created_at: aSecondEach })
    const third = await world
      .db('confirmd.outbox')
      .where({ kind: 'a' })
      .orderBy('sequence')
      .offset(2)
      .first('created_at')
    const early = { from: '2000-01-01T00:00:00Z', to: third.created_at.toISOString() }
    const first = await call('POST', `/${id}/replay`, early)
    expect(first.body).toEqual({ replayed: 2 })
    const rest = await call('POST', `/${id}/replay`, { from: early.from })
    expect(rest.body).toEqual({ replayed: 3 })
    await until('all came', async () => (await deliveries(id, '?status=delivered')).length === 5)
    expect((await call('POST', `/${id}/replay`, { from: early.from })).body).toEqual({ replayed: 0 })
    const again = await call('POST', `/${id}/replay`, { from: early.from, delivered: true })
    expect(again.body).toEqual({ replayed: 5 })
    await until('all came again', () => target.requests.length === 10)
  })

  it('a test reaches its webhook alone, with a type of its own', async () => {
    const [target, other] = [await hook(), await hook()]
    const { id, secret } = await create({ url: target.url, kinds: ['nothing-of-this-kind'] })
    await create({ url: other.url })
    const sent = await call('POST', `/${id}/test`)
    expect(sent).toMatchObject({ status: 202, body: { eventType: 'confirmd.webhook.test.v1' } })
    const request = await until('it came', () => target.requests[0])
    expect(request.event).toMatchObject({
      id: sent.body.eventId,
      type: 'confirmd.webhook.test.v1',
      subject: id,
    })
    new Verifier(secret).verify(request.body, request.headers as Record<string, string>)
    expect(other.requests).toEqual([])
  })

  it('after a rotation both secrets verify, and in the end only the new one', async () => {
    const target = await hook()
    const { id, secret } = await create({ url: target.url })
    const rotated = await call('POST', `/${id}/secret`)
    expect(rotated.status).toBe(200)
    await call('POST', `/${id}/test`)
    const { body, headers } = await until('it came', () => target.requests[0])
    for (const each of [secret, rotated.body.secret]) {
      new Verifier(each).verify(body, headers as Record<string, string>)
    }
    await world.db('confirmd.webhooks').update({ previous_secret_until: new Date() })
    await call('POST', `/${id}/test`)
    const later = await until('another came', () => target.requests[1])
    const verify = (each: string) =>
      new Verifier(each).verify(later.body, later.headers as Record<string, string>)
    expect(verify(rotated.body.secret)).toBeTruthy()
    expect(() => verify(secret)).toThrow()
  })

  it('the secret is in no answer but that of the creation and the rotation, and in no log', async () => {
    const target = await hook()
    const { id, secret } = await create({ url: target.url })
    await call('POST', `/${id}/test`)
    await until('it came', () => target.requests[0])
    const answers = [
      await call('GET', ''),
      await call('GET', `/${id}`),
      await call('GET', `/${id}/deliveries`),
    ]
    for (const text of [...answers, confirmd.log].map((each) => JSON.stringify(each))) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(secret.slice('whsec_'.length))
    }
  })

  it('changes, and deletes with everything that was to be sent', async () => {
    const target = await hook()
    const { id } = await create({ url: 'http://127.0.0.1:1/', description: 'shop', statuses: ['failed'] })
    const changed = await call('PATCH', `/${id}`, { url: target.url, statuses: null, kinds: ['a'] })
    expect(changed).toMatchObject({
      status: 200,
      body: { id, url: target.url, description: 'shop', statuses: null, kinds: ['a'], enabled: true },
    })
    expect((await call('GET', '')).body.webhooks).toEqual([changed.body])
    expect((await call('DELETE', `/${id}`)).status).toBe(204)
    expect((await call('GET', `/${id}`)).status).toBe(404)
    await insertOutcomes(world.db, [{ statuses: ['confirmed'], kind: 'a' }])
    await until(
      'it is in the feed',
      async () => (await world.db('confirmd.outbox').whereNotNull('sequence')).length === 1,
    )
    expect(await world.db('confirmd.webhook_deliveries')).toEqual([])
  })

  it.each([
    [{ url: 'http://10.0.0.1/' }, 'url'],
    [{ url: 'http://example.com/' }, 'url'],
    [{ url: 'https://169.254.169.254/' }, 'url'],
    [{ url: 'https://a:b@example.com/' }, 'url'],
    [{ url: 5 }, 'url'],
    [{}, 'url'],
    [{ url: 'https://example.com/', kinds: [] }, 'kinds'],
    [{ url: 'https://example.com/', statuses: ['pending'] }, 'statuses.0'],
    [{ url: 'https://example.com/', secret: 'mine' }, 'secret'],
  ])('refuses %j and names the field', async (body, field) => {
    const refused = await call('POST', '', body)
    expect(refused.status).toBe(400)
    expect(refused.body.errors.map(({ field: each }) => each)).toEqual([field])
  })

  it('there is a bound on how many there are, since each event is for all of them', async () => {
    await world.db.raw(
      "INSERT INTO confirmd.webhooks (id, url, secret) SELECT gen_random_uuid(), 'https://example.com/', 'whsec_AA' FROM generate_series(1, 100)",
    )
    expect(await call('POST', '', { url: 'https://example.com/' })).toMatchObject({ status: 409 })
  })

  it.each([
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/secret'],
    ['POST', '/test'],
    ['GET', '/deliveries'],
    ['POST', '/replay'],
    ['POST', '/deliveries/1/replay'],
  ])('%s of one that is not there: 404', async (method, path) => {
    const body = { PATCH: { enabled: true }, POST: { from: '2000-01-01T00:00:00Z' } }[method]
    const found = await call(
      method,
      `/00000000-0000-4000-8000-000000000000${path}`,
      path === '' || path === '/replay' ? body : undefined,
    )
    expect(found.status).toBe(404)
  })
})

it('slow webhooks, many together, leave a fast one its share, and a stop does not wait for them', async () => {
  const world = await createWorld('table', { WEBHOOK_TIMEOUT_MS: '300000' })
  const { url } = await world.start()
  const hooks: Hook[] = []
  const addHook = async () => {
    const started = await startHook()
    hooks.push(started)
    const body = JSON.stringify({ url: started.url })
    const headers = { 'content-type': 'application/json' }
    expect((await fetch(`${url}/v1/webhooks`, { method: 'POST', headers, body })).status).toBe(201)
    return started
  }
  try {
    for (let count = 0; count < 30; count++) (await addHook()).answer = () => undefined
    await insertOutcomes(
      world.db,
      Array.from({ length: 30 }, () => ({ statuses: ['confirmed'] })),
    )
    const slow = [...hooks]
    const asked = () => slow.reduce((sum, { requests }) => sum + requests.length, 0)
    await until('the slow ones hold all that they get', () => asked() >= 200)
    const good = await addHook()
    await insertOutcomes(
      world.db,
      Array.from({ length: 30 }, () => ({ statuses: ['confirmed'] })),
    )
    await until('the fast one has everything', () => good.requests.length === 30)
    await world.stopAll()
    // What was cut off comes again: nothing of it was written down as a failure of its webhook.
    const failing = await world.db('confirmd.webhooks').whereNotNull('failing_since')
    expect(failing).toEqual([])
  } finally {
    for (const hook of hooks) await hook.stop()
    await world.close()
  }
})
