import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeOnEachQueue } from '../support/broker.ts'
import { createWorld, register, type World } from '../support/confirmd.ts'
import { createOrderTables, eventsOf, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const KINDS = ['both', 'order']
const NEVER_MS = '600000'

describeOnEachQueue('a transaction that several kinds want', (queue) => {
  let world: World
  beforeEach(async () => {
    world = await createWorld(queue, { HANDLERS: ORDER_HANDLERS })
    await createOrderTables(world.db)
  })
  afterEach(() => world.close())

  async function untilAllConfirmed(txHash: string): Promise<{ id: string; kind: string }[]> {
    return until('each kind has its verdict', async () => {
      const rows = await world.db('confirmd.transaction_history').where({ tx_hash: txHash }).orderBy('kind')
      return rows.length === KINDS.length && rows.every(({ status }) => status === 'confirmed') && rows
    })
  }

  it.each([
    ['by its check', {}],
    ['by the follower', { RETRY_DELAYS_MS: NEVER_MS, SWEEP_INTERVAL_MS: NEVER_MS, FOLLOW_BLOCKS: 'on' }],
  ])('is settled for each %s, with a write and an event of its own', async (_, settings) => {
    const { url } = await world.start('start', settings)
    const txHash = randomHash()
    for (const kind of KINDS)
      expect((await register(url, { txHash, kind, payload: { kind } })).status).toBe(202)
    await until('both were checked in vain', async () => {
      const rows = await world.db('confirmd.transaction_history').where({ tx_hash: txHash })
      return rows.every(({ retry_count }) => retry_count > 0)
    })
    world.node.include(txHash)
    const rows = await untilAllConfirmed(txHash)
    const written = await world.db('orders').where({ tx_hash: txHash }).pluck('transaction_id')
    expect(written.toSorted()).toEqual(rows.map(({ id }) => id).toSorted())
    for (const { id, kind } of rows) {
      expect(await eventsOf(world.db, id)).toMatchObject([{ status: 'confirmed', data: { kind } }])
    }
  })
})

describeOnEachQueue('a transaction that is asked for by its hash', (queue) => {
  let world: World
  let url: string
  beforeEach(async () => {
    world = await createWorld(queue)
    url = (await world.start('api')).url
  })
  afterEach(() => world.close())

  const ask = (path: string) => fetch(`${url}/v1/transactions/${path}`)

  it('is the one row, the choice between several, or not there', async () => {
    const txHash = randomHash()
    const missing = await ask(txHash)
    expect([missing.status, await missing.json()]).toMatchObject([
      404,
      { detail: `there is no transaction with hash ${txHash}` },
    ])
    const { body: first } = await register(url, { txHash, kind: 'mint' })
    const one = await ask(txHash.toUpperCase().replace('0X', '0x'))
    expect([one.status, await one.json()]).toMatchObject([200, { id: first.id, kind: 'mint', looks: [] }])
    const { body: second } = await register(url, { txHash, kind: 'points' })
    const several = await ask(txHash)
    expect(several.status).toBe(300)
    const shown = ({ id, kind }: { id: string; kind?: string }) => ({
      id,
      kind,
      chain: 'kaia',
      status: 'pending',
    })
    expect(await several.json()).toEqual({
      transactions: [shown({ ...second, kind: 'points' }), shown({ ...first, kind: 'mint' })],
    })
    const chosen = await ask(`${txHash}?kind=points`)
    expect([chosen.status, await chosen.json()]).toMatchObject([200, { id: second.id }])
    expect((await ask(`${txHash}?kind=points&chain=other`)).status).toBe(404)
    expect((await ask(`${txHash}?name=x`)).status).toBe(400)
  })
})
