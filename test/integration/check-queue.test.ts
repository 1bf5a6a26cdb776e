import { afterEach, beforeEach, expect, it } from 'vitest'
import { openRabbit } from '../../src/broker/rabbit.ts'
import { aLook } from '../../src/dev/sample-look.ts'
import type { CheckQueue, Delivery, Disposition } from '../../src/domain/check-queue.ts'
import { type Check, checkOf } from '../../src/domain/message.ts'
import { createStore } from '../../src/store/store.ts'
import { createTableQueue } from '../../src/store/table-queue.ts'
import { amqpUrl, deleteTopology, describeOnEachQueue, uniquePrefix } from '../support/broker.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { recordTransaction } from '../support/record-transaction.ts'
import { until } from '../support/until.ts'

const DELAYS_MS = [300, 600] as const
const PREFETCH = 5

describeOnEachQueue('any check queue', (kind) => {
  let database: TestDatabase
  let prefix: string
  let opened: CheckQueue[]

  beforeEach(async () => {
    database = await createTestDatabase()
    prefix = uniquePrefix()
    opened = []
  })

  afterEach(async () => {
    for (const queue of opened) {
      await queue.stopConsuming()
      await queue.close()
    }
    if (kind === 'rabbitmq') await deleteTopology(amqpUrl(), prefix, DELAYS_MS)
    await database.drop()
  })

  async function open(): Promise<CheckQueue> {
    const log = { info: () => undefined, warn: () => undefined }
    const queue =
      kind === 'table'
        ? createTableQueue(database.db, {
            chain: 'kaia',
            prefetch: PREFETCH,
            pollIntervalMs: 50,
            leaseMs: 1_500,
            onError: () => undefined,
          })
        : openRabbit({
            urls: [amqpUrl()],
            prefix,
            chain: 'kaia',
            retryDelaysMs: DELAYS_MS,
            prefetch: PREFETCH,
            checkHealth: async () => undefined,
            log,
            onFatal: (error) => {
              throw error
            },
          }).queue
    opened.push(queue)
    return queue
  }

  /** A recorded row and its check: the table queue has no other message. */
  async function recordCheck(): Promise<Check> {
    return checkOf(await recordTransaction(database.db))
  }

  const publish = (queue: CheckQueue, check: Check) =>
    until('the check is published', () =>
      queue.publish(check).then(
        () => true,
        () => false,
      ),
    )

  const finish = async (id: string): Promise<Disposition> => {
    await database.db('confirmd.transaction_history').where({ id }).update({ status: 'confirmed' })
    return { kind: 'ack' }
  }

  function idOf({ message }: Delivery): string {
    if (message.kind !== 'check') throw new Error(`a ${message.kind} was delivered`)
    return message.check.id
  }

  it('delivers a published check, with its correlation id', async () => {
    const queue = await open()
    const check = await recordCheck()
    const delivered: Delivery[] = []
    await queue.consume(async (delivery) => {
      delivered.push(delivery)
      return finish(check.id)
    })
    await publish(queue, check)
    await until('it is delivered', () => delivered.length > 0)
    expect(delivered[0]).toEqual({
      message: { kind: 'check', check },
      redelivered: false,
    })
  })

  it('brings a waiting check back after its delay, not before, and as often as it is told', async () => {
    const queue = await open()
    const check = await recordCheck()
    const times: number[] = []
    await queue.consume(async () => {
      times.push(Date.now())
      if (times.length === 3) return finish(check.id)
      await createStore(database.db, { chain: 'kaia' }).recordWait(check.id, {
        expectedRetryCount: times.length - 1,
        retryCount: times.length,
        consecutiveErrors: 0,
        delayMs: 300,
        error: null,
        notes: { seen: null, evidence: null, absentChecks: null },
        look: aLook('waits'),
      })
      return { kind: 'wait', delayMs: 300, check: { ...check, retryCount: times.length } }
    })
    await publish(queue, check)
    await until('it came three times', () => times.length === 3)
    const [first = 0, second = 0, third = 0] = times
    expect(second - first).toBeGreaterThanOrEqual(295)
    expect(third - second).toBeGreaterThanOrEqual(295)
  })

  it('brings a check back whose handler failed', async () => {
    const queue = await open()
    const check = await recordCheck()
    let deliveries = 0
    await queue.consume(async () => {
      deliveries += 1
      if (deliveries < 3) throw new Error('the database is away')
      return finish(check.id)
    })
    await publish(queue, check)
    await until('it came three times', () => deliveries === 3)
  })

  it('has no more in hand than the prefetch', async () => {
    const queue = await open()
    const checks = await Promise.all(Array.from({ length: 20 }, recordCheck))
    let inHand = 0
    let most = 0
    let done = 0
    const release = new Map<string, () => void>()
    await queue.consume(async (delivery) => {
      inHand += 1
      most = Math.max(most, inHand)
      await new Promise<void>((resolve) => release.set(idOf(delivery), resolve))
      inHand -= 1
      done += 1
      return finish(idOf(delivery))
    })
    for (const check of checks) await publish(queue, check)
    while (done < checks.length) {
      await until('the prefetch is used', () => inHand === Math.min(PREFETCH, checks.length - done))
      const before = done
      const [id, letGo] = [...release][0] ?? []
      release.delete(id ?? '')
      letGo?.()
      await until('one is done', () => done > before)
    }
    expect(most).toBe(PREFETCH)
  })

  it('shares the checks between consumers, each to one', async () => {
    const [first, second] = [await open(), await open()]
    const checks = await Promise.all(Array.from({ length: 40 }, recordCheck))
    const seen: string[] = []
    const handler = async (delivery: Delivery) => {
      seen.push(idOf(delivery))
      return finish(idOf(delivery))
    }
    await first.consume(handler)
    await second.consume(handler)
    for (const check of checks) await publish(first, check)
    await until('all came', () => new Set(seen).size === checks.length)
    expect(seen).toHaveLength(checks.length)
  })

  it('stops by finishing what is in hand and taking nothing more', async () => {
    const queue = await open()
    const [inHand, later] = [await recordCheck(), await recordCheck()]
    await database.db('confirmd.transaction_history').where({ id: later.id }).update({ next_check_at: null })
    const seen: string[] = []
    let letGo: () => void = () => undefined
    await queue.consume(async (delivery) => {
      seen.push(idOf(delivery))
      await new Promise<void>((resolve) => {
        letGo = resolve
      })
      return finish(idOf(delivery))
    })
    await publish(queue, inHand)
    await until('it is in hand', () => seen.length === 1)
    let stopped = false
    const stopping = queue.stopConsuming().then(() => {
      stopped = true
    })
    await until('it takes nothing more', () => !queue.isConsuming())
    await database
      .db('confirmd.transaction_history')
      .where({ id: later.id })
      .update({ next_check_at: database.db.fn.now() })
    await publish(queue, later)
    expect(stopped).toBe(false)
    letGo()
    await stopping
    expect(seen).toEqual([inHand.id])
    const next = await open()
    const delivered: string[] = []
    await next.consume(async (delivery) => {
      delivered.push(idOf(delivery))
      return finish(idOf(delivery))
    })
    await until('the other consumer has the rest', () => delivered.length > 0)
    expect(delivered).toEqual([later.id])
  })

  it('hands a check to another consumer when the one that had it is gone', async () => {
    const queue = await open()
    const check = await recordCheck()
    let taken = false
    await queue.consume(async () => {
      taken = true
      return new Promise<Disposition>(() => undefined)
    })
    await publish(queue, check)
    await until('it is taken', () => taken)
    opened = []
    await queue.close()
    const heir = await open()
    const deliveries: Delivery[] = []
    await heir.consume(async (delivery) => {
      deliveries.push(delivery)
      return finish(check.id)
    })
    await until('the heir has it', () => deliveries.length > 0)
    expect(deliveries[0] && idOf(deliveries[0])).toBe(check.id)
    expect(deliveries[0]?.redelivered).toBe(true)
  })

  it('tells how much waits in it', async () => {
    const queue = await open()
    for (const check of await Promise.all([recordCheck(), recordCheck(), recordCheck()]))
      await publish(queue, check)
    await until('three are waiting', async () =>
      Object.values(await queue.depths()).some((depth) => depth === 3),
    )
  })
})
