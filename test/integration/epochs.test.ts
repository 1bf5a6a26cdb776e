import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EPOCH_SIZE } from '../../src/domain/epoch.ts'
import { createWorld, type World } from '../support/confirmd.ts'
import { insertOutcomes } from '../support/relays.ts'
import { until } from '../support/until.ts'

describe('the numbers of the feed', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorld('table')
  })
  afterEach(() => world.close())

  const outcomes = (count: number) =>
    insertOutcomes(
      world.db,
      Array.from({ length: count }, () => ({ statuses: ['confirmed'] })),
    )

  async function untilNumbered(): Promise<number[]> {
    await until('all are numbered', async () => {
      const [left] = await world.db('confirmd.outbox').whereNull('sequence').count()
      return left?.['count'] === '0'
    })
    return (await world.db('confirmd.outbox').orderBy('sequence').pluck('sequence')).map(Number)
  }

  /** As if what was numbered had been numbered elsewhere: by the database that this one was copied or restored from. */
  const becomeAnother = (change: object) =>
    world.db('confirmd.feed_epochs').whereNull('last_sequence').update(change)

  async function read(url: string, after: number) {
    const response = await fetch(`${url}/v1/events?after=${after}`)
    const body = (await response.json()) as {
      events?: { sequence: string }[]
      next?: string
      detail?: string
      errors?: { field: string; message: string }[]
    }
    return {
      status: response.status,
      body,
      sequences: (body.events ?? []).map((each) => Number(each.sequence)),
    }
  }

  it.each([
    ['another cluster', { system_identifier: 1 }],
    ['another timeline, as after a promotion', { timeline: '000000FF' }],
    ['another database of the cluster', { database_oid: 1 }],
    ['a dump that was restored', { outbox_oid: 1 }],
  ])('are of an epoch of their own after those of %s, and readers go on', async (_, change) => {
    const { url } = await world.start()
    await outcomes(5)
    expect(await untilNumbered()).toEqual([1, 2, 3, 4, 5])
    await becomeAnother(change)
    await outcomes(3)
    const [first = 0, ...others] = (await untilNumbered()).slice(5)
    expect(Math.floor(first / EPOCH_SIZE)).toBe(1)
    expect(others).toEqual([first + 1, first + 2])
    for (const after of [0, 3, 5, first - 1, first]) {
      const { status, sequences, body } = await read(url, after)
      expect(status).toBe(200)
      expect(sequences).toEqual([1, 2, 3, 4, 5, first, first + 1, first + 2].filter((each) => each > after))
      expect(Number(body.next)).toBe(first + 2)
    }
  })

  it('that this database has not given are answered 410, with the last one that it has', async () => {
    const { url } = await world.start()
    await outcomes(5)
    await untilNumbered()
    expect((await read(url, 6)).status).toBe(410)
    await becomeAnother({ system_identifier: 1 })
    await outcomes(1)
    const first = (await untilNumbered()).at(-1) ?? 0
    for (const [after, last] of [
      [6, 5],
      [EPOCH_SIZE - 1, 5],
      [first - 2, first],
      [first + 1, first],
      [2 * EPOCH_SIZE + 1, first],
    ] as const) {
      const { status, body } = await read(url, after)
      expect([after, status]).toEqual([after, 410])
      expect(body.errors).toEqual([{ field: 'after', message: 'cursor-ahead' }])
      expect(body.detail).toContain(`go on with after=${last}`)
    }
    const stream = await fetch(`${url}/v1/events/stream`, { headers: { 'last-event-id': '6' } })
    expect(stream.status).toBe(410)
  })

  it('of two databases that were restored from one are not the same', async () => {
    const { url } = await world.start()
    await outcomes(1)
    await untilNumbered()
    const firsts = new Set<number>()
    for (let restored = 0; restored < 3; restored++) {
      await becomeAnother({ system_identifier: 1 })
      await outcomes(1)
      firsts.add(((await untilNumbered()).at(-1) ?? 0) % EPOCH_SIZE)
    }
    expect(firsts.size).toBe(3)
    expect((await read(url, 0)).sequences).toHaveLength(4)
  })

  it('begin one epoch only, however many processes notice', async () => {
    await Promise.all([world.start(), world.start(), world.start()])
    await outcomes(1)
    await untilNumbered()
    await becomeAnother({ timeline: '000000FF' })
    await outcomes(20)
    const numbers = (await untilNumbered()).slice(1)
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index))
    expect(await world.db('confirmd.feed_epochs').orderBy('epoch').pluck('epoch')).toEqual([0, 1])
  })
})
