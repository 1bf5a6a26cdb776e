import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeOnEachQueue } from '../support/broker.ts'
import { runCommand } from '../support/command.ts'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { countOrders, createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'

const isParked = (row: Record<string, unknown>) => row['parked_at'] !== null

async function includedAndRegistered(world: World, url: string, kind: string): Promise<string> {
  const txHash = randomHash()
  world.node.include(txHash)
  expect((await register(url, { txHash, kind })).status).toBe(202)
  return txHash
}

describeOnEachQueue('a worker without handlers', (queue) => {
  let world: World
  beforeEach(async () => {
    world = await createWorld(queue)
    await createOrderTables(world.db)
  })
  afterEach(() => world.close())

  it('leaves a kind that another worker handles to that one', async () => {
    const api = await world.start('api')
    await world.start('worker', { HANDLERS: ORDER_HANDLERS })
    await world.start('worker')
    await world.start('worker')
    for (let count = 0; count < 10; count++) {
      const txHash = await includedAndRegistered(world, api.url, 'order')
      const row = await untilStatus(world.db, txHash, 'confirmed')
      expect(row['write_state']).toBe('done')
      expect(await countOrders(world.db, txHash)).toBe(1)
    }
  })

  it('never settles a kind that was ever handled; it goes on when a handler is there again', async () => {
    const first = await world.start('start', { HANDLERS: ORDER_HANDLERS })
    await first.stop()
    // As a minute later: nobody handles it any more.
    await world.db.raw(`UPDATE confirmd.handled_kinds SET last_seen_at = now() - interval '61 seconds'`)
    const { url } = await world.start()
    const txHash = await includedAndRegistered(world, url, 'order')
    const row = await untilRow(world.db, txHash, 'parked', isParked)
    expect(row).toMatchObject({ status: 'pending', park_code: 'no-handler', write_state: null })
    expect(row['last_error']).toMatch(/no handler of kind 'order' is running/)
    await world.start('worker', { HANDLERS: ORDER_HANDLERS, SWEEP_INTERVAL_MS: '200' })
    expect(await untilStatus(world.db, txHash, 'confirmed')).toMatchObject({ write_state: 'done' })
    expect(await countOrders(world.db, txHash)).toBe(1)
  })
})

describe('what was settled without a write', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorld('table')
    await createOrderTables(world.db)
  })
  afterEach(() => world.close())

  const write = (...parameters: string[]) =>
    runCommand(['write', ...parameters], { ...world.environment, HANDLERS: ORDER_HANDLERS })

  it('says so, and is written afterwards exactly once', async () => {
    const { url } = await world.start()
    const hashes = [
      await includedAndRegistered(world, url, 'order'),
      await includedAndRegistered(world, url, 'order'),
    ]
    for (const txHash of hashes) {
      expect(await untilStatus(world.db, txHash, 'confirmed')).toMatchObject({ write_state: 'none' })
    }
    const [one = ''] = hashes
    const answers = await Promise.all([write(one), write(one), write(one, '--json')])
    expect(answers.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(await countOrders(world.db, one)).toBe(1)
    const all = await write('--kind', 'order', '--yes', '--json')
    expect(JSON.parse(all.stdout)).toMatchObject({ results: [{ outcome: 'written', error: null }] })
    for (const txHash of hashes) {
      expect(await countOrders(world.db, txHash)).toBe(1)
      expect(await untilStatus(world.db, txHash, 'confirmed')).toMatchObject({ write_state: 'done' })
    }
  })

  it('stays as it is if the write fails', async () => {
    const { url } = await world.start()
    const txHash = await includedAndRegistered(world, url, 'picky')
    await untilStatus(world.db, txHash, 'confirmed')
    await world.db('refusals').insert({ reason: 'test' })
    const { code, stdout } = await write(txHash)
    expect(code).toBe(1)
    expect(stdout).toContain('refused by the test')
    expect(await untilStatus(world.db, txHash, 'confirmed')).toMatchObject({ write_state: 'none' })
    expect(await countOrders(world.db, txHash)).toBe(0)
  })
})

describe('UNKNOWN_KINDS', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorld('table')
    await createOrderTables(world.db)
  })
  afterEach(() => world.close())

  it('settle: settles what was never handled without a write, and says so', async () => {
    const { url } = await world.start('start', { HANDLERS: ORDER_HANDLERS, UNKNOWN_KINDS: 'settle' })
    const txHash = await includedAndRegistered(world, url, 'unheard-of')
    expect(await untilStatus(world.db, txHash, 'confirmed')).toMatchObject({ write_state: 'none' })
  })

  it('refuse: refuses its registration with the known ones', async () => {
    const { url } = await world.start('start', { HANDLERS: ORDER_HANDLERS, UNKNOWN_KINDS: 'refuse' })
    const { status, body } = await register(url, { txHash: randomHash(), kind: 'oder' })
    expect(status).toBe(422)
    expect(body.detail).toMatch(/'oder'.*known are: both, .*order/)
    expect(body.errors?.[0]?.field).toBe('kind')
    expect((await register(url, { txHash: randomHash(), kind: 'order' })).status).toBe(202)
  })
})
