import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openRabbit } from '../../src/broker/rabbit.ts'
import { brokerNames } from '../../src/broker/topology.ts'
import type { CheckHandler, CheckQueue, Delivery } from '../../src/domain/check-queue.ts'
import { type Check, encodeChecks, MAX_CHECKS } from '../../src/domain/message.ts'
import { amqpUrl, deleteTopology, describeWithBroker, uniquePrefix } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const DELAYS_MS = [300, 600] as const
const PREFETCH = 5

describeWithBroker('checks that share a message', () => {
  let prefix: string
  let names: ReturnType<typeof brokerNames>
  let opened: CheckQueue[]

  beforeEach(() => {
    prefix = uniquePrefix()
    names = brokerNames(prefix)
    opened = []
  })
  afterEach(async () => {
    for (const queue of opened) {
      await queue.stopConsuming()
      await queue.close()
    }
    await deleteTopology(amqpUrl(), prefix, DELAYS_MS)
  })

  async function open(checkHealth: () => Promise<void> = async () => undefined): Promise<CheckQueue> {
    const { queue } = openRabbit({
      urls: [amqpUrl()],
      prefix,
      chain: 'kaia',
      retryDelaysMs: DELAYS_MS,
      prefetch: PREFETCH,
      checkHealth,
      log: { info: () => undefined, warn: () => undefined },
      onFatal: (error) => {
        throw error
      },
    })
    opened.push(queue)
    return queue
  }

  const checksOf = (count: number): Check[] =>
    Array.from({ length: count }, (_, index) => {
      const given = { id: randomUUID(), chain: 'kaia', txHash: randomHash(), retryCount: 0, dueAt: null }
      return { ...given, correlationId: index % 3 === 0 ? null : `c-${index}` }
    })

  const publishAll = (queue: CheckQueue, checks: readonly Check[]) =>
    Promise.all(checks.map((check) => queue.publish(check)))

  function checkOf({ message }: Delivery): Check {
    if (message.kind !== 'check') throw new Error(`a ${message.kind} was delivered`)
    return message.check
  }

  const byId = (one: Check, other: Check) => one.id.localeCompare(other.id)

  it('are those published in one moment; each is delivered as if it had one of its own', async () => {
    const queue = await open()
    const checks = checksOf(2 * MAX_CHECKS + 5)
    await publishAll(queue, checks)
    await until('three messages are there', async () => (await queue.depths())[names.checkQueue] === 3)
    expect(await queue.backlog()).toBeGreaterThanOrEqual(checks.length)
    const delivered: Check[] = []
    await queue.consume(async (delivery) => {
      delivered.push(checkOf(delivery))
      expect(delivery).toMatchObject({ redelivered: false })
      return { kind: 'ack' }
    })
    await until('all came', () => delivered.length === checks.length)
    expect(delivered.toSorted(byId)).toEqual(checks.toSorted(byId))
    await until('all is acked', async () => (await queue.backlog()) === 0)
  })

  it('wait together, and come back each with what its wait says', async () => {
    const queue = await open()
    const checks = checksOf(8)
    const came: Check[] = []
    await queue.consume(async (delivery) => {
      const check = checkOf(delivery)
      if (check.retryCount > 0) {
        came.push(check)
        return { kind: 'ack' }
      }
      const { 1: delayMs } = DELAYS_MS
      return { kind: 'wait', delayMs, check: { ...check, retryCount: check.retryCount + 1 } }
    })
    await publishAll(queue, checks)
    await until('all came back', () => came.length === checks.length)
    expect(came.map(({ id }) => id).toSorted()).toEqual(checks.map(({ id }) => id).toSorted())
    expect(came.map(({ correlationId }) => correlationId).toSorted()).toEqual(
      checks.map(({ correlationId }) => correlationId).toSorted(),
    )
  })

  it('are handled no more at once than the prefetch', async () => {
    const queue = await open()
    let [inHand, most, done] = [0, 0, 0]
    await queue.consume(async () => {
      inHand += 1
      most = Math.max(most, inHand)
      await new Promise((resolve) => setImmediate(resolve))
      inHand -= 1
      done += 1
      return { kind: 'ack' }
    })
    await publishAll(queue, checksOf(3 * MAX_CHECKS))
    await until('all are done', () => done === 3 * MAX_CHECKS)
    expect(most).toBe(PREFETCH)
  })

  it('take no other along when the handling of one fails: that one comes back by itself', async () => {
    const queue = await open()
    const checks = checksOf(10)
    const handled = new Map<string, Delivery[]>()
    await queue.consume(async (delivery) => {
      const { id } = checkOf(delivery)
      const deliveries = [...(handled.get(id) ?? []), delivery]
      handled.set(id, deliveries)
      if (id === checks[4]?.id && deliveries.length < 3) throw new Error('only this one fails')
      return { kind: 'ack' }
    })
    await publishAll(queue, checks)
    await until('it worked at the third time', () => handled.get(checks[4]?.id ?? '')?.length === 3)
    await until('nothing is left', async () =>
      Object.values(await queue.depths()).every((depth) => depth === 0),
    )
    expect(checks.map(({ id }) => handled.get(id)?.length)).toEqual(
      checks.map((_, index) => (index === 4 ? 3 : 1)),
    )
    expect(handled.get(checks[4]?.id ?? '')?.map(({ redelivered }) => redelivered)).toEqual([
      false,
      true,
      true,
    ])
  })

  it('all come back each time that a consumer dies, and say so', async () => {
    const checks = checksOf(4)
    await publishAll(await open(), checks)
    for (const deaths of [0, 1, 2]) {
      const victim = await open()
      const taken: Delivery[] = []
      await victim.consume((delivery) => {
        taken.push(delivery)
        return new Promise(() => undefined)
      })
      await until('all are in hand', () => taken.length === checks.length)
      expect(taken.map(({ redelivered }) => redelivered)).toEqual(checks.map(() => deaths > 0))
      opened = opened.filter((each) => each !== victim)
      await victim.close()
    }
    const heir = await open()
    const delivered: Delivery[] = []
    await heir.consume(async (delivery) => {
      delivered.push(delivery)
      return { kind: 'ack' }
    })
    await until('the heir has all', () => delivered.length === checks.length)
    expect(delivered.map(checkOf).toSorted(byId)).toEqual(checks.toSorted(byId))
    expect(delivered).toMatchObject(checks.map(() => ({ redelivered: true })))
  })

  it('are finished as far as they were begun when the consumer stops; the others are left to the next', async () => {
    const queue = await open()
    const checks = checksOf(MAX_CHECKS)
    const begun: string[] = []
    const letGo: (() => void)[] = []
    await queue.consume(async (delivery) => {
      begun.push(checkOf(delivery).id)
      await new Promise<void>((resolve) => letGo.push(resolve))
      return { kind: 'ack' }
    })
    await publishAll(queue, checks)
    await until('the prefetch is used', () => begun.length === PREFETCH)
    const stopping = queue.stopConsuming()
    await until('it takes nothing more', () => !queue.isConsuming())
    for (const each of letGo) each()
    await stopping
    expect(begun).toHaveLength(PREFETCH)
    const next = await open()
    const delivered: string[] = []
    await next.consume(async (delivery) => {
      delivered.push(checkOf(delivery).id)
      return { kind: 'ack' }
    })
    await until('the next has those that were not begun', () =>
      checks.every(({ id }) => begun.includes(id) || delivered.includes(id)),
    )
  })

  it('are not lost while the database is away', async () => {
    let isAway = true
    const queue = await open(async () => {
      if (isAway) throw new Error('the database is away')
    })
    const checks = checksOf(MAX_CHECKS)
    const done = new Set<string>()
    const handler: CheckHandler = async (delivery) => {
      if (isAway) throw new Error('the database is away')
      done.add(checkOf(delivery).id)
      return { kind: 'ack' }
    }
    await queue.consume(handler)
    await until('it consumes', () => queue.isConsuming())
    await publishAll(queue, checks)
    await until('it pauses', () => !queue.isConsuming())
    isAway = false
    await until('all are done', () => done.size === checks.length)
  })

  it('are set aside with a part that makes no sense; the others are carried out', async () => {
    const queue = await open()
    const [first, second] = checksOf(2) as [Check, Check]
    const done: string[] = []
    await queue.consume(async (delivery) => {
      if (delivery.message.kind === 'unreadable') return { kind: 'park', reason: delivery.message.reason }
      done.push(checkOf(delivery).id)
      return { kind: 'ack' }
    })
    await until('it consumes', () => queue.isConsuming())
    const body = JSON.parse(encodeChecks([first, second])) as { more: unknown[] }
    body.more.unshift({ id: 'nonsense' })
    await withChannel(amqpUrl(), async (channel) => {
      channel.publish(names.directExchange, names.checkKey, Buffer.from(JSON.stringify(body)))
      // Answered after the publish was taken: the connection's close might overtake it.
      await channel.checkQueue(names.checkQueue)
    })
    await until('it is parked', async () => (await queue.depths())[names.parkedQueue] === 1)
    expect(done.toSorted()).toEqual([first.id, second.id].toSorted())
  })
})
