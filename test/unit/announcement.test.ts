import { expect, it } from 'vitest'
import type { StoredEvent } from '../../src/domain/event.ts'
import { createAnnouncement } from '../../src/flows/announcement.ts'

function event(sequence: number, transactionId = `tx ${sequence}`): StoredEvent {
  return {
    sequence,
    id: `event ${sequence}`,
    subject: 'transaction',
    transactionId,
    status: 'confirmed',
    kind: 'order',
    createdAt: new Date(0),
    traceParent: null,
    data: {},
  }
}

/** An exchange that answers when the test says so. */
function createExchange() {
  const open = new Map<string, { resolve: () => void; reject: (reason: Error) => void }>()
  const given: string[] = []
  return {
    given,
    isReady: () => true,
    publish: ({ id }: { id: string }) => {
      given.push(id)
      return new Promise<void>((resolve, reject) => {
        open.set(id, { resolve, reject })
      })
    },
    confirm: (...sequences: number[]) => {
      for (const sequence of sequences) open.get(`event ${sequence}`)?.resolve()
    },
    refuse: (sequence: number) => open.get(`event ${sequence}`)?.reject(new Error('refused')),
  }
}

function setUp() {
  const exchange = createExchange()
  const ends: (PromiseRejectedResult | null)[] = []
  const announcement = createAnnouncement({ exchange, maxBatches: 2, onEnd: (failure) => ends.push(failure) })
  const collected = () => announcement.collect().map(({ sequence }) => sequence)
  /** Lets what was answered come through. */
  const settled = (count: number) => expect.poll(() => ends.length).toBe(count)
  return { exchange, announcement, collected, ends, settled }
}

it('what the exchange has taken counts only with everything before it', async () => {
  const { exchange, announcement, collected, settled } = setUp()
  expect(announcement.publish([event(1), event(2)])).toBe(2)
  expect(announcement.publish([event(3)])).toBe(1)
  expect(announcement.canTake()).toBe(false)
  expect(announcement.newest()).toBe(3)
  exchange.confirm(3)
  await settled(1)
  expect(collected()).toEqual([])
  exchange.confirm(1, 2)
  await settled(2)
  expect(collected()).toEqual([1, 2, 3])
  expect([announcement.newest(), announcement.canTake()]).toEqual([null, true])
})

it('a second event of a transaction waits until the first was surely taken', async () => {
  const { exchange, announcement, settled } = setUp()
  expect(announcement.publish([event(1, 'a'), event(2, 'b'), event(3, 'a'), event(4, 'c')])).toBe(2)
  expect(announcement.publish([event(3, 'a'), event(4, 'c')])).toBe(0)
  exchange.confirm(1, 2)
  await settled(1)
  expect(announcement.publish([event(3, 'a'), event(4, 'c')])).toBe(2)
  expect(exchange.given).toEqual(['event 1', 'event 2', 'event 3', 'event 4'])
})

it('after a failure all from it on is to be given again, and nothing is taken before the rest has ended', async () => {
  const { exchange, announcement, collected, ends, settled } = setUp()
  announcement.publish([event(1), event(2), event(3)])
  announcement.publish([event(4)])
  exchange.confirm(1, 3)
  exchange.refuse(2)
  await settled(1)
  expect(announcement.canTake()).toBe(false)
  expect(collected()).toEqual([1])
  exchange.confirm(4)
  await settled(2)
  expect(ends.every((failure) => failure !== null)).toBe(true)
  expect(collected()).toEqual([])
  expect([announcement.newest(), announcement.canTake()]).toEqual([null, true])
})
