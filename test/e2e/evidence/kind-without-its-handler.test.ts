// Audit: D15, a worker without the handler settles without the write, silently and for ever.
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { describeOnEachQueue } from '../../support/broker.ts'
import { createFleet, detailOf, type Fleet, post, registerAll } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const DECLARING = fileURLToPath(new URL('../../support/handlers/declaring.js', import.meta.url))
/** As an image without the module has it. */
const WITHOUT_HANDLERS = { HANDLERS: '' }

const orders = (hashes: readonly string[]) => hashes.map((txHash) => ({ txHash, kind: 'order' }))

async function expectWritten(fleet: Fleet, hashes: readonly string[]): Promise<void> {
  for (const txHash of hashes) await fleet.untilConfirmedOnce(txHash)
}

describeOnEachQueue('a kind that was handled in this database', (kind) => {
  let fleet: Fleet
  let api: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet(kind, { FOLLOW_BLOCKS: 'on', HANDLERS: DECLARING })
    api = await fleet.start('api')
  })
  afterAll(() => fleet.close())

  it('is left by a worker without its handler, even one that leads, to a worker that has it', async () => {
    const unable = await fleet.start('worker', WITHOUT_HANDLERS)
    await until('it follows', async () => (await fleet.followedBlock()) >= 0)
    const able = await fleet.start('worker')
    const hashes = Array.from({ length: 20 }, randomHash)
    await registerAll(api, orders(hashes))
    for (const txHash of hashes) fleet.chain.include(txHash)
    await expectWritten(fleet, hashes)
    expect([await unable.stop(), await able.stop()]).toEqual([0, 0])
  })

  it('waits while no worker has its handler, and is settled with its write when one is back', async () => {
    const able = await fleet.start('worker')
    const first = randomHash()
    await registerAll(api, orders([first]))
    fleet.chain.include(first)
    await fleet.untilConfirmedOnce(first)
    await able.stop()

    const unable = await fleet.start('worker', WITHOUT_HANDLERS)
    const later = Array.from({ length: 5 }, randomHash)
    await registerAll(api, orders(later))
    const block = fleet.chain.include(later)
    await until('blocks after it are followed', async () => (await fleet.followedBlock()) >= block + 8)
    for (const txHash of later) expect(await fleet.row(txHash)).toMatchObject({ status: 'pending' })
    const back = await fleet.start('worker')
    await expectWritten(fleet, later)
    expect([await unable.stop(), await back.stop()]).toEqual([0, 0])
  })
})

describe.concurrent('a kind whose last handler has been gone for long', () => {
  it('is parked with its name, and goes on by itself when a worker with the handler is back', async () => {
    const fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on', HANDLERS: DECLARING })
    try {
      const api = await fleet.start('api')
      const able = await fleet.start('worker')
      const [first, txHash] = [randomHash(), randomHash()]
      await registerAll(api, orders([first]))
      fleet.chain.include(first)
      await fleet.untilConfirmedOnce(first)
      await able.stop()
      await fleet.db.raw(`
        DO $$ BEGIN
          IF to_regclass('confirmd.handled_kinds') IS NOT NULL THEN
            UPDATE confirmd.handled_kinds SET last_seen_at = now() - interval '10 minutes';
          END IF;
        END $$`)
      await fleet.start('worker', WITHOUT_HANDLERS)
      await registerAll(api, orders([txHash]))
      fleet.chain.include(txHash)
      // The workers may go by the report of the one that left, which is forgotten after a while.
      await fleet.untilParked(txHash, /no.handler.*order/i, { attempts: 0, timeoutMs: 90_000 })
      await fleet.start('worker')
      await fleet.untilConfirmedOnce(txHash, { timeoutMs: 30_000 })
    } finally {
      await fleet.close()
    }
  }, 150_000)
})

describe.concurrent('UNKNOWN_KINDS', () => {
  it('settle: a kind that was never handled is confirmed, and the row says that nothing was written', async () => {
    const fleet = await createFleet('table', { HANDLERS: DECLARING, UNKNOWN_KINDS: 'settle' })
    try {
      const running = await fleet.start('start')
      const txHash = randomHash()
      await registerAll(running, [{ txHash, kind: 'ordr' }])
      fleet.chain.include(txHash)
      const { id } = await fleet.untilRow(txHash, 'it is confirmed', ({ status }) => status === 'confirmed')
      expect((await detailOf(running, id))['writeState']).toBe('none')
    } finally {
      await fleet.close()
    }
  })

  it('refuse: a registration of a kind that was never handled is answered 422 with the known ones', async () => {
    const fleet = await createFleet('table', { HANDLERS: DECLARING, UNKNOWN_KINDS: 'refuse' })
    try {
      const running = await fleet.start('start')
      const refused = await post(`${running.url}/v1/transactions`, { txHash: randomHash(), kind: 'ordr' })
      expect(refused).toMatchObject({ status: 422 })
      expect(JSON.stringify(refused.body)).toMatch(/"?order\b/)
      expect(
        (await post(`${running.url}/v1/transactions`, { txHash: randomHash(), kind: 'order' })).status,
      ).toBe(202)
    } finally {
      await fleet.close()
    }
  })
})

describe.concurrent('a database in which no kind was ever handled', () => {
  it('gets verdicts without writes, and the row says so', async () => {
    const fleet = await createFleet('table', WITHOUT_HANDLERS)
    try {
      const running = await fleet.start('start')
      const txHash = randomHash()
      await registerAll(running, [{ txHash, kind: 'order' }])
      fleet.chain.include(txHash)
      const { id } = await fleet.untilRow(txHash, 'it is confirmed', ({ status }) => status === 'confirmed')
      expect((await detailOf(running, id))['writeState']).toBe('none')
    } finally {
      await fleet.close()
    }
  })
})

describe('a kind that was never handled', () => {
  let fleet: Fleet
  let api: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on', HANDLERS: DECLARING })
    api = await fleet.start('api')
    await fleet.start('worker')
  })
  afterAll(() => fleet.close())

  it.each(['ordr', 'Order'])('such as %j, is parked where other kinds are handled', async (kind) => {
    const txHash = randomHash()
    await registerAll(api, [{ txHash, kind }])
    fleet.chain.include(txHash)
    await fleet.untilParked(txHash, new RegExp(`no.handler.*${kind}|${kind}.*no.handler`, 'i'), {
      attempts: 0,
    })
  })

  it('is confirmed without a write where it is declared to have none', async () => {
    const txHash = randomHash()
    await registerAll(api, [{ txHash, kind: 'note' }])
    fleet.chain.include(txHash)
    const { id } = await fleet.untilRow(txHash, 'it is confirmed', ({ status }) => status === 'confirmed')
    expect((await detailOf(api, id))['writeState']).toBe('none')
  })

  it('of one that is handled the detail says that its write was done', async () => {
    const txHash = randomHash()
    await registerAll(api, orders([txHash]))
    fleet.chain.include(txHash)
    const { id } = await fleet.untilConfirmedOnce(txHash)
    expect((await detailOf(api, id))['writeState']).toBe('done')
  })
})
