import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startRole } from '../../src/dev/role-process.ts'
import { CloudEventSchema } from '../../src/domain/event.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { type Listener, listen } from '../support/events.ts'
import { insertOutcomes, startRelays } from '../support/relays.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

describeWithBroker('announcing on the exchange', () => {
  let world: World
  let listener: Listener

  beforeEach(async () => {
    world = await createWorld('rabbitmq', { RETRY_LIMIT: '100' })
    listener = await listen(world.prefix)
  })
  afterEach(async () => {
    await listener.stop()
    await world.close()
  })

  it('an outcome is announced after its commit, as a CloudEvent with the transaction as the API shows it', async () => {
    const { url } = await world.start()
    const [good, bad] = [randomHash(), randomHash()]
    world.node.include(good)
    world.node.include(bad, { succeeded: false, txError: '0x9' })
    await register(url, { txHash: good, kind: 'nft.mint', payload: { order: 1 } })
    await register(url, { txHash: bad, kind: 'order' })
    await until('both are announced', () => listener.heard.length === 2)
    const [confirmed] = listener.heard.filter(({ event }) => event.subject === good)
    const [failed] = listener.heard.filter(({ event }) => event.subject === bad)
    expect(confirmed?.routingKey).toBe('transaction.confirmed.nft.mint')
    expect(failed?.routingKey).toBe('transaction.failed.order')
    expect(confirmed?.contentType).toBe('application/cloudevents+json')
    const row = await untilStatus(world.db, good, 'confirmed')
    const shown = await (await fetch(`${url}/v1/transactions/${String(row['id'])}`)).json()
    expect(shown).toMatchObject(confirmed?.event.data ?? {})
    const stored = await world.db('confirmd.outbox').where({ transaction_id: row['id'] }).first('id')
    expect(confirmed?.event).toMatchObject({ id: stored.id, type: 'confirmd.transaction.confirmed.v1' })
    expect(confirmed?.messageId).toBe(stored.id)
    const ajv = formats.default(new Ajv({ allErrors: true }))
    for (const { event } of listener.heard) {
      expect(ajv.validate(CloudEventSchema, event), JSON.stringify(ajv.errors)).toBe(true)
    }
  })

  it('what an earlier release left unannounced is announced', async () => {
    await insertOutcomes(world.db, [{ statuses: ['stalled', 'confirmed'] }])
    await world.start('worker')
    await until('both are announced', () => listener.heard.length === 2)
    expect(listener.heard.map(({ event }) => event.type)).toEqual([
      'confirmd.transaction.stalled.v1',
      'confirmd.transaction.confirmed.v1',
    ])
  })

  it('a relay that dies between publish and mark: the event comes again with the same id, and none is missing', async () => {
    // The mark is held up, so that the process can be killed before it.
    await world.db.raw(`
      CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
      CREATE TRIGGER hold BEFORE UPDATE ON confirmd.event_cursors
        FOR EACH ROW WHEN (NEW.name = 'announced' AND NEW.sequence > OLD.sequence) EXECUTE FUNCTION hold()`)
    const { LOG_LEVEL: _, ...environment } = world.environment
    const victim = await startRole('worker', environment)
    await insertOutcomes(world.db, [{ statuses: ['confirmed'] }, { statuses: ['failed'] }])
    await until('they are announced', () => listener.heard.length === 2)
    await victim.kill()
    // As its machine's end would: the server still sleeps in its statement.
    await world.db.raw(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'confirmd worker' AND datname = current_database()",
    )
    await world.db.raw('DROP TRIGGER hold ON confirmd.event_cursors')
    await world.start('worker')
    await until('they are announced again', () => listener.heard.length === 4)
    const ids = listener.heard.map(({ event }) => event.id)
    expect(ids.slice(2)).toEqual(ids.slice(0, 2))
    await until('it is marked', async () => {
      const cursor = await world.db('confirmd.event_cursors').where({ name: 'announced' }).first('sequence')
      return Number(cursor.sequence) === 2
    })
  })

  it('10,000 outcomes and 3 relays, one of which loses its connections: each at least once, in the order of its transaction', async () => {
    const relays = await startRelays(world, 3)
    try {
      // Several writers at once, so that what got an earlier position is often committed later.
      const transactions = Array.from({ length: 4_000 }, (_, index) => ({
        statuses: ['stalled', 'expired', 'confirmed'].slice(index % 2 === 0 ? 0 : 1),
      }))
      const writing = insertOutcomes(world.db, transactions, 8)
      await until('a part is announced', () => listener.heard.length > 2_000)
      await relays[0]?.loseConnections()
      const count = await writing
      expect(count).toBe(10_000)
      await until('all are announced', () => new Set(idsOf(listener)).size === count)
      const firsts = new Map(listener.heard.toReversed().map(({ event }) => [event.id, event]))
      const inFeed = await world
        .db('confirmd.outbox')
        .orderBy('sequence')
        .select('id', 'sequence', 'transaction_id')
      expect(inFeed.map(({ sequence }) => Number(sequence))).toEqual(inFeed.map((_, index) => index + 1))
      expect(firsts.size).toBe(inFeed.length)
      const heardStatuses = new Map<string, string[]>()
      const seen = new Set<string>()
      for (const { event } of listener.heard) {
        if (seen.has(event.id)) continue
        seen.add(event.id)
        const statuses = heardStatuses.get(event.data.id) ?? []
        heardStatuses.set(event.data.id, [...statuses, event.type.split('.')[2] ?? ''])
      }
      const orders = new Set([...heardStatuses.values()].map((statuses) => statuses.join(' ')))
      expect([...orders].sort()).toEqual(['expired confirmed', 'stalled expired confirmed'])
    } finally {
      for (const relay of relays) await relay.stop()
    }
  })

  it('while the broker takes nothing, the feed goes on; afterwards everything is announced', async () => {
    const relays = await startRelays(world, 1, { amqpUrl: 'amqp://127.0.0.1:1' })
    await insertOutcomes(world.db, [{ statuses: ['confirmed'] }])
    await until('it is in the feed', async () => {
      const row = await world.db('confirmd.outbox').first('sequence')
      return row.sequence === '1'
    })
    for (const relay of relays) await relay.stop()
    expect(listener.heard).toEqual([])
    const [relay] = await startRelays(world, 1, { amqpUrl: amqpUrl() })
    try {
      await until('it is announced', () => listener.heard.length === 1)
    } finally {
      await relay?.stop()
    }
  })
})

function idsOf({ heard }: Listener): string[] {
  return heard.map(({ event }) => event.id)
}
