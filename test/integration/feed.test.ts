import { get, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SILENT_LOG } from '../../src/commands/context.ts'
import type { CloudEvent } from '../../src/domain/event.ts'
import { createFeed } from '../../src/flows/feed.ts'
import { createStore } from '../../src/store/store.ts'
import { createWorld, type RunningConfirmd, register, type World } from '../support/confirmd.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertOutcomes } from '../support/relays.ts'
import { rowsReadBy } from '../support/rows-read.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

interface Page {
  readonly events: CloudEvent[]
  readonly next: string
}

describe('the feed', () => {
  let world: World
  let api: RunningConfirmd

  beforeAll(async () => {
    world = await createWorld('table', { RETRY_LIMIT: '1000' })
    await world.start('worker')
    api = await world.start('api')
  })
  afterAll(() => world.close())

  async function read(query: string): Promise<Page> {
    const response = await fetch(`${api.url}/v1/events?${query}`)
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
    return (await response.json()) as Page
  }

  async function readAll(from: string): Promise<CloudEvent[]> {
    const events: CloudEvent[] = []
    for (let after = from; ; ) {
      const page = await read(`after=${after}&limit=7`)
      events.push(...page.events)
      if (page.events.length === 0) return events
      after = page.next
    }
  }

  it('pages in the order of commits, with what comes after a cursor and nothing twice', async () => {
    const { next } = await read('after=newest')
    await insertOutcomes(
      world.db,
      Array.from({ length: 30 }, () => ({ statuses: ['stalled', 'confirmed'] })),
      4,
    )
    await until('all are there', async () => (await readAll(next)).length === 60)
    const events = await readAll(next)
    const sequences = events.map(({ sequence }) => Number(sequence))
    expect(sequences).toEqual(Array.from({ length: 60 }, (_, index) => Number(next) + 1 + index))
  })

  it('an event that is committed late, with a number given early, is not missed', async () => {
    const { next } = await read('after=newest')
    const early = await world.db.transaction()
    await early.raw(
      `INSERT INTO confirmd.outbox (id, transaction_id, status, kind, data) VALUES (gen_random_uuid(), gen_random_uuid(), 'confirmed', 'early', '{}')`,
    )
    await insertOutcomes(world.db, [{ statuses: ['confirmed'], kind: 'late' }])
    const first = await until('the later one is there', async () => {
      const page = await read(`after=${next}`)
      return page.events.length > 0 && page
    })
    await early.commit()
    const second = await read(`after=${first.next}&wait=20`)
    expect(first.events).toHaveLength(1)
    expect(second.events).toHaveLength(1)
    expect(Number(second.events[0]?.sequence)).toBe(Number(first.events[0]?.sequence) + 1)
  })

  it('filters, and its cursor moves past what the filter leaves out', async () => {
    const { next } = await read('after=newest')
    const kind = `kind-${randomHash().slice(2, 10)}`
    await insertOutcomes(world.db, [
      { statuses: ['confirmed'] },
      { statuses: ['stalled', 'failed'], kind },
      { statuses: ['confirmed'] },
    ])
    await until('all are there', async () => (await readAll(next)).length === 4)
    const page = await read(`after=${next}&kind=${kind}&status=failed`)
    expect(page.events.map(({ type }) => type)).toEqual(['confirmd.transaction.failed.v1'])
    expect(Number(page.next)).toBe(Number(next) + 4)
  })

  it('a wait ends with the event, and with an empty page when there is none', async () => {
    const { next } = await read('after=newest')
    const waiting = read(`after=${next}&wait=30`)
    await insertOutcomes(world.db, [{ statuses: ['confirmed'] }])
    expect((await waiting).events).toHaveLength(1)
    const empty = await read(`after=${(await waiting).next}&wait=1`)
    expect(empty).toEqual({ events: [], next: (await waiting).next })
  })

  it('says so when events after the cursor were pruned, and begins with what is kept', async () => {
    const { events } = await read('after=0&limit=3')
    const [, second] = events
    await world.db('confirmd.outbox').where('sequence', '<=', Number(second?.sequence)).delete()
    await world
      .db('confirmd.event_cursors')
      .where({ name: 'pruned' })
      .update({ sequence: Number(second?.sequence) })
    const response = await fetch(`${api.url}/v1/events?after=1`)
    expect(response.status).toBe(410)
    expect(await response.json()).toMatchObject({
      status: 410,
      detail: expect.stringContaining('with skipPruned=true'),
    })
    expect((await read('after=0&limit=1')).events[0]?.id).toBe(events[2]?.id)
  })

  it('what the answer to a gap advises gives every event that is left, also those before the last that was pruned', async () => {
    await insertOutcomes(
      world.db,
      Array.from({ length: 6 }, () => ({ statuses: ['confirmed'] })),
    )
    const { next } = await read('after=newest')
    await until('they are there', async () => (await readAll(next)).length === 0)
    const all = await readAll('0')
    const [first, kept, pruned] = all.slice(-6).map(({ sequence }) => Number(sequence))
    await world.db('confirmd.outbox').whereIn('sequence', [first, pruned].map(Number)).delete()
    await world
      .db('confirmd.event_cursors')
      .where({ name: 'pruned' })
      .update({ sequence: Number(pruned) })
    const page = `after=${Number(first) - 1}&limit=1`
    await expect(read(page)).rejects.toThrow(/^410: .*the same request with skipPruned=true/)
    const left = await read(`${page}&skipPruned=true`)
    expect(left.events.map(({ sequence }) => Number(sequence))).toEqual([kept])
    const rest = await read(`after=${left.next}&skipPruned=true`)
    expect(rest.events.map(({ id }) => id)).toEqual(all.slice(-3).map(({ id }) => id))
  })

  it('a filter that almost nothing fits reads past a bounded number at a time, and always comes forward', async () => {
    const own = await createTestDatabase()
    try {
      await own.db.raw(
        `INSERT INTO confirmd.outbox (id, transaction_id, chain, status, kind, data, sequence)
         SELECT gen_random_uuid(), gen_random_uuid(), 'kaia', CASE WHEN n = 30000 THEN 'replaced' ELSE 'confirmed' END, 'order', '{}', n
           FROM generate_series(1, 30000) AS n`,
      )
      await own.db('confirmd.event_cursors').where({ name: 'numbered' }).update({ sequence: 30_000 })
      await own.db.raw('ANALYZE confirmd.outbox')
      const feed = createFeed({ store: createStore(own.db, { chain: 'kaia' }), log: SILENT_LOG })
      const never = new AbortController().signal
      const query = { limit: 100, status: 'replaced' }
      const reads = await rowsReadBy(own.db, () => feed.read({ ...query, after: 0 }, 0, never))
      expect(reads).toBeLessThan(21_000)
      const first = await feed.read({ ...query, after: 0 }, 0, never)
      expect([first.events, first.next]).toEqual([[], 10_000])
      const waited = await feed.read({ ...query, after: 0 }, 60_000, never)
      expect(waited.events.map(({ sequence }) => Number(sequence))).toEqual([30_000])
      feed.stop()
    } finally {
      await own.drop()
    }
  })

  it.each(['after=x', 'after=-1', 'after=1.5', 'wait=61', 'limit=0', 'status=pending', 'unknown=1'])(
    'refuses %s and names the field',
    async (query) => {
      const response = await fetch(`${api.url}/v1/events?${query}`)
      expect(response.status).toBe(400)
      const { errors } = (await response.json()) as { errors: { field: string }[] }
      expect(errors.map(({ field }) => field)).toEqual([query.split('=')[0]])
    },
  )

  it('a stream that is cut 20 times misses nothing and shows no gap', async () => {
    let cursor = (await read('after=newest')).next
    const first = Number(cursor) + 1
    const writing = insertOutcomes(
      world.db,
      Array.from({ length: 400 }, () => ({ statuses: ['confirmed'] })),
      2,
    )
    const ids: number[] = []
    for (let cuts = 0; ids.length < 400; cuts++) {
      const wanted = cuts < 20 ? 1 + (cuts % 5) : Number.POSITIVE_INFINITY
      cursor = await readStream(`${api.url}/v1/events/stream`, cursor, ids, wanted, 400)
    }
    await writing
    expect(ids).toEqual(Array.from({ length: 400 }, (_, index) => first + index))
  })

  it('a reader that does not read holds up neither the others nor the memory, and gets everything later', async () => {
    const { next } = await read('after=newest')
    const payload = 'x'.repeat(20_000)
    const slow = await new Promise<IncomingMessage>((resolve) => {
      get(`${api.url}/v1/events/stream?after=${next}`, resolve)
    })
    slow.pause()
    await world.db.raw(
      `INSERT INTO confirmd.outbox (id, transaction_id, status, kind, data)
       SELECT gen_random_uuid(), gen_random_uuid(), 'confirmed', 'big', jsonb_build_object('payload', CAST(? AS text))
         FROM generate_series(1, 1000)`,
      [payload],
    )
    await until(
      'the others have it',
      async () => Number((await read(`after=newest`)).next) === Number(next) + 1_000,
    )
    let text = ''
    slow.setEncoding('utf8')
    slow.on('data', (chunk: string) => {
      text += chunk
    })
    slow.resume()
    await until('it has everything', () => text.includes(`id: ${Number(next) + 1_000}\ndata:`))
    slow.destroy()
    expect(text.match(/^data: /gm)).toHaveLength(1_000)
  })

  it('a wait for a transaction ends with its verdict, whichever process reached it', async () => {
    const txHash = randomHash()
    const { body } = await register(api.url, { txHash })
    const waiting = fetch(`${api.url}/v1/transactions/${body.id}?wait=40`)
    await until('it was looked for', () => world.node.looks(txHash).length > 0)
    world.node.include(txHash)
    expect(await (await waiting).json()).toMatchObject({ id: body.id, status: 'confirmed' })
    const again = await fetch(`${api.url}/v1/transactions/${body.id}?wait=40`)
    expect(await again.json()).toMatchObject({ status: 'confirmed' })
  })

  it('a wait that is over answers what there is; who went away holds nothing', async () => {
    const { body } = await register(api.url, { txHash: randomHash() })
    const response = await fetch(`${api.url}/v1/transactions/${body.id}?wait=1`)
    expect(await response.json()).toMatchObject({ status: 'pending' })
    const missing = await fetch(`${api.url}/v1/transactions/00000000-0000-7000-8000-000000000000?wait=1`)
    expect(missing.status).toBe(404)
    await fetch(`${api.url}/v1/transactions/${body.id}?wait=60`, { signal: AbortSignal.timeout(50) }).catch(
      () => undefined,
    )
  })

  it('a stop answers those who wait at once, and ends the streams', async () => {
    const other = await world.start('api')
    const { body } = await register(other.url, { txHash: randomHash() })
    const stream = await fetch(`${other.url}/v1/events/stream`)
    const ended = stream.text()
    const waiting = fetch(`${other.url}/v1/transactions/${body.id}?wait=60`).then((response) =>
      response.json(),
    )
    await until('it is waited for', async () => {
      const { rows } = await world.db.raw(
        `SELECT 1 FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'confirmd api' AND query LIKE '%<> ''pending''%'`,
      )
      return rows.length > 0
    })
    await other.stop()
    expect(await waiting).toMatchObject({ status: 'pending' })
    expect(await ended).toContain('retry: ')
  })
})

/** Reads a stream until it has so many new ids, or `total` in all, cuts it, and returns where to go on. */
async function readStream(
  url: string,
  lastEventId: string,
  ids: number[],
  wanted: number,
  total: number,
): Promise<string> {
  const cut = new AbortController()
  const response = await fetch(url, { headers: { 'last-event-id': lastEventId }, signal: cut.signal })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  let text = ''
  let last = lastEventId
  const before = ids.length
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const id = /^id: (\d+)$/m.exec(block)?.[1]
      if (id) last = id
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (!data) continue
      expect(Number((JSON.parse(data) as CloudEvent).sequence)).toBe(Number(id))
      ids.push(Number(id))
      // Cut in the middle of what was sent: the rest of it is read again.
      if (ids.length - before >= wanted) break
    }
    if (ids.length - before >= wanted || ids.length >= total) break
  }
  cut.abort()
  return last
}
