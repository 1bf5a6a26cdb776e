import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createStore } from '../../src/store/store.ts'
import { createWorld, type World } from '../support/confirmd.ts'
import { type Hook, startHook } from '../support/hook.ts'
import { until } from '../support/until.ts'

const DELIVERIES = 2_500
const MOST_IN_A_STATEMENT = 1_000
const WEBHOOK = '00000000-0000-4000-8000-000000000001'
const SIX_DAYS_MS = 6 * 86_400_000

describe('a webhook with many deliveries', () => {
  let world: World
  let hook: Hook

  beforeEach(async () => {
    world = await createWorld('table')
    hook = await startHook()
    await world.db('confirmd.webhooks').insert({ id: WEBHOOK, url: hook.url, secret: 'whsec_AAAA' })
    // Statements count what they change.
    await world.db.raw('CREATE TABLE changed (rows bigint)')
    await world.db.raw(`
      CREATE FUNCTION note_changed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO changed SELECT count(*) FROM old_rows; RETURN NULL; END $$`)
    for (const event of ['UPDATE', 'DELETE']) {
      await world.db.raw(`
        CREATE TRIGGER note_${event} AFTER ${event} ON confirmd.webhook_deliveries
          REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changed()`)
    }
  })
  afterEach(async () => {
    await world.close()
    await hook.stop()
  })

  /** Tests are deliveries without an event. */
  async function addDeliveries(count: number, status: 'pending' | 'delivered'): Promise<void> {
    await world.db.raw(
      `WITH made AS (
         INSERT INTO confirmd.webhook_deliveries (webhook_id, test, status, next_attempt_at)
         SELECT :id, jsonb_build_object('id', gen_random_uuid(), 'data', '{}'::jsonb), :status, now() + interval '1 day'
           FROM generate_series(1, :count) RETURNING id)
       INSERT INTO confirmd.webhook_attempts (delivery_id, attempted_at, duration_ms) SELECT id, now(), 1 FROM made`,
      { id: WEBHOOK, status, count },
    )
  }

  async function call(url: string, method: string, body?: object) {
    const headers = { 'content-type': 'application/json' }
    const init = body ? { method, headers, body: JSON.stringify(body) } : { method }
    return fetch(`${url}/v1/webhooks/${WEBHOOK}`, init)
  }

  async function countOf(table: string, where: object = {}): Promise<number> {
    const [row] = await world.db(table).where(where).count()
    return Number(row?.['count'])
  }

  async function mostInAStatement(): Promise<number> {
    const [row] = await world.db('changed').max('rows')
    return Number(row?.['max'])
  }

  it('is gone as soon as its deletion is answered; its deliveries follow in batches, also after a crash', async () => {
    await addDeliveries(DELIVERIES, 'delivered')
    await addDeliveries(10, 'pending')
    // An API alone deletes no deliveries, as if the process had died at once.
    const api = await world.start('api')
    expect((await call(api.url, 'DELETE')).status).toBe(204)
    expect((await call(api.url, 'GET')).status).toBe(404)
    expect((await call(api.url, 'DELETE')).status).toBe(404)
    expect((await call(api.url, 'PATCH', { enabled: true })).status).toBe(404)
    expect(await (await fetch(`${api.url}/v1/webhooks`)).json()).toEqual({ webhooks: [] })
    expect(await countOf('confirmd.webhook_deliveries')).toBe(DELIVERIES + 10)
    await world.start('worker')
    await until('all of it is gone', async () => (await countOf('confirmd.webhooks')) === 0)
    expect(await countOf('confirmd.webhook_attempts')).toBe(0)
    expect(await mostInAStatement()).toBeLessThanOrEqual(MOST_IN_A_STATEMENT)
    expect(hook.requests).toEqual([])
  })

  it('that is deleted gets no event any more', async () => {
    await addDeliveries(10, 'delivered')
    const api = await world.start('api')
    expect((await call(api.url, 'DELETE')).status).toBe(204)
    await world.db('confirmd.webhooks').insert({
      ...{ id: WEBHOOK.replace(/1$/, '2'), url: hook.url, secret: 'whsec_AAAA', enabled: true },
    })
    await world.db.raw(`INSERT INTO confirmd.outbox (id, transaction_id, status, kind, data)
      VALUES (gen_random_uuid(), gen_random_uuid(), 'confirmed', 'order', '{}')`)
    await createStore(world.db, { chain: 'kaia' }).advance({
      ...{
        prefix: '',
        chain: 'kaia',
        numberLimit: 10,
        holder: WEBHOOK,
        taken: null,
        handedOut: null,
        announceLimit: 0,
        leaseMs: 1,
      },
    })
    expect(await countOf('confirmd.webhook_deliveries', { webhook_id: WEBHOOK })).toBe(10)
    expect(await countOf('confirmd.webhook_deliveries')).toBe(11)
  })

  it('is sent all that waits when it is switched on again, in batches, also after a crash', async () => {
    await addDeliveries(DELIVERIES, 'pending')
    await world.db('confirmd.webhooks').update({ enabled: false, disabled_reason: 'it was off' })
    const api = await world.start('api')
    expect(await (await call(api.url, 'PATCH', { enabled: true })).json()).toMatchObject({ enabled: true })
    const due = world
      .db('confirmd.webhook_deliveries')
      .where('next_attempt_at', '<=', world.db.fn.now())
      .count()
    expect(Number((await due)[0]?.['count'])).toBe(MOST_IN_A_STATEMENT)
    await world.start('worker')
    const late = world
      .db('confirmd.webhook_deliveries')
      .where('next_attempt_at', '>', world.db.raw("now() + interval '1 hour'"))
    await until('none waits for tomorrow', async () => (await late.clone().limit(1)).length === 0)
    await until(
      'nothing is left to be done',
      async () => (await countOf('confirmd.webhooks', { resume_until: null })) === 1,
    )
    await until('some came', () => hook.requests.length > 0)
    expect(await mostInAStatement()).toBeLessThanOrEqual(MOST_IN_A_STATEMENT)
  })

  it('is not switched off by an attempt that began before it recovered', async () => {
    const store = createStore(world.db, { chain: 'kaia' })
    await addDeliveries(2, 'pending')
    await world.db('confirmd.webhook_deliveries').update({ next_attempt_at: new Date() })
    await world.db('confirmd.webhooks').update({ failing_since: new Date(Date.now() - SIX_DAYS_MS) })
    const lease = () => store.leaseDeliveries({ perWebhook: 10, inHand: {}, room: 10, leaseMs: 60_000 })
    const [first] = await lease()
    const [second] = await lease()
    if (!first || !second) throw new Error('there are two deliveries')
    const attempt = { webhookId: WEBHOOK, attemptedAt: new Date(), durationMs: 1 }
    const disable = { reason: 'every attempt has failed', failingSince: second.failingSince }
    const failed = {
      ...{ ...attempt, deliveryId: second.id, statusCode: null, error: 'no answer' },
      decision: { status: 'pending' as const, nextAttemptInMs: 1_000, disable },
    }
    await store.recordAttempt({
      ...{ ...attempt, deliveryId: first.id, statusCode: 200, error: null },
      decision: { status: 'delivered', nextAttemptInMs: null, disable: null },
    })
    expect(await store.recordAttempt(failed)).toBe(false)
    expect(await store.loadWebhook(WEBHOOK)).toMatchObject({ enabled: true, disabledReason: null })
    // As it was: it still fails since then.
    await world.db('confirmd.webhooks').update({ failing_since: second.failingSince })
    expect(await store.recordAttempt(failed)).toBe(true)
    expect(await store.loadWebhook(WEBHOOK)).toMatchObject({ enabled: false, disabledReason: disable.reason })
  })

  it('is switched on while an attempt is recorded: neither waits for the other in a circle', async () => {
    const store = createStore(world.db, { chain: 'kaia' })
    await addDeliveries(1, 'pending')
    await world.db.raw(`ALTER DATABASE ${world.database.name} SET deadlock_timeout = '10ms'`)
    const delivery = await world.db('confirmd.webhook_deliveries').first('id')
    // Holds who changes a webhook, until the test lets go.
    await world.db.raw(`
      CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$`)
    await world.db.raw(`
      CREATE TRIGGER hold AFTER UPDATE OF enabled ON confirmd.webhooks FOR EACH ROW EXECUTE FUNCTION hold()`)
    const holding = await world.db.transaction()
    await holding.raw('SELECT pg_advisory_xact_lock(7)')
    const waiting = async (count: number) =>
      (
        await world
          .db('pg_stat_activity')
          .where({ wait_event_type: 'Lock' })
          .whereRaw('datname = current_database()')
      ).length === count
    const api = await world.start('api')
    const switching = call(api.url, 'PATCH', { enabled: true })
    await until('the change holds the webhook', () => waiting(1))
    const recording = store.recordAttempt({
      ...{ webhookId: WEBHOOK, deliveryId: delivery.id, attemptedAt: new Date(), durationMs: 1 },
      ...{ statusCode: null, error: 'no answer' },
      decision: { status: 'pending', nextAttemptInMs: 1_000, disable: null },
    })
    await until('the attempt waits for the webhook', () => waiting(2))
    await holding.commit()
    expect((await switching).status).toBe(200)
    expect(await recording).toBe(false)
    expect(await countOf('confirmd.webhook_deliveries', { attempts: 1 })).toBe(1)
    const deadlocks = await world
      .db('pg_stat_database')
      .whereRaw('datname = current_database()')
      .first('deadlocks')
    expect(Number(deadlocks?.['deadlocks'])).toBe(0)
  })
})
