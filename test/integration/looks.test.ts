import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TransactionDetail } from '../../src/domain/transaction-view.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const SENDER = `0x${'ab'.repeat(20)}`

describe('the history of looks', () => {
  let world: World

  async function detail(url: string, id: string): Promise<TransactionDetail> {
    const answer = await fetch(`${url}/v1/transactions/${id}`)
    expect(answer.status).toBe(200)
    return (await answer.json()) as TransactionDetail
  }

  beforeEach(async () => {
    world = await createWorld('table', { RETRY_LIMIT: '100' })
  })
  afterEach(async () => {
    await world.close()
  })

  it('says what was seen, at which node and head, and what came of it, in order', async () => {
    const txHash = randomHash()
    const { url } = await world.start()
    const { body } = await register(url, { txHash })
    const seenAs = async (saw: string) => (await detail(url, body.id)).looks.some((look) => look.saw === saw)
    await until('it was looked for', () => seenAs('absent'))
    world.node.pend(txHash, SENDER, 7)
    await until('it was seen in the pool', () => seenAs('in-pool'))
    world.node.fault = () => ({ kind: 'error', code: -32_000, message: 'out of order' })
    await until('the node failed', () => seenAs('unavailable'))
    world.node.fault = () => null
    world.node.drop(txHash)
    world.node.include(txHash, { sender: SENDER, nonce: 7 })
    await untilStatus(world.db, txHash, 'confirmed')
    const { looks, from, nonce } = await detail(url, body.id)
    expect([from, nonce]).toEqual([SENDER, 7])
    const distinct = looks.map(({ saw }) => saw).filter((saw, index, all) => saw !== all[index - 1])
    expect(distinct).toEqual(['absent', 'in-pool', 'unavailable', 'receipt'])
    const node = new URL(world.node.url).host
    expect(looks[0]).toMatchObject({
      ...{ nodes: [node], headNumber: 100, blockNumber: null },
      ...{ outcome: 'waits', reason: 'receipt-absent', delayMs: 100, error: null },
    })
    const unavailable = looks.find(({ saw }) => saw === 'unavailable')
    expect(unavailable).toMatchObject({ nodes: [], headNumber: null, reason: 'node-unavailable' })
    expect(unavailable?.error).toContain('out of order')
    expect(looks.at(-1)).toMatchObject({
      ...{ saw: 'receipt', outcome: 'confirmed', nodes: [node], headNumber: 101, blockNumber: 101 },
      ...{ reason: null, delayMs: null },
    })
    const times = looks.map(({ at }) => at)
    expect(times).toEqual(times.toSorted())
  })

  it('keeps the last 20, however long it takes', async () => {
    const txHash = randomHash()
    const { url } = await world.start('start', { RETRY_DELAYS_MS: '20' })
    const { body } = await register(url, { txHash })
    await until('there were many looks', async () => (await detail(url, body.id)).retryCount >= 25)
    const before = await detail(url, body.id)
    expect(before.looks).toHaveLength(20)
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    const { looks } = await detail(url, body.id)
    expect(looks).toHaveLength(20)
    expect(looks.at(-1)?.outcome).toBe('confirmed')
    expect(looks[0]?.at).not.toBe(before.looks[0]?.at)
  })

  it('of a stalled one, and of a failing business write, each look is there with why', async () => {
    const [gone, broken] = [randomHash(), randomHash()]
    await createOrderTables(world.db)
    await world.db('refusals').insert({ reason: 'the shop is closed' })
    const { url } = await world.start('start', {
      RETRY_LIMIT: '1',
      HANDLERS: ORDER_HANDLERS,
      HANDLER_RETRY_LIMIT: '2',
    })
    const stalled = await register(url, { txHash: gone })
    world.node.include(broken)
    const parked = await register(url, { txHash: broken, kind: 'picky' })
    await untilStatus(world.db, gone, 'stalled')
    const { looks } = await detail(url, stalled.body.id)
    expect(looks.map(({ outcome }) => outcome)).toEqual(['waits', 'stalled'])
    await until('it is parked', async () => (await detail(url, parked.body.id)).parkedAt !== null)
    const failing = await detail(url, parked.body.id)
    expect(failing.looks.map(({ saw, outcome, reason }) => [saw, outcome, reason])).toEqual([
      ['receipt', 'waits', 'handler-failed'],
      ['receipt', 'parked', 'handler-failed'],
    ])
    expect(failing.looks.at(-1)?.error).toBe(failing.lastError)
    expect(failing.handlerAttempts).toBe(2)
  })
})
