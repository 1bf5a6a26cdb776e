// Audit: D12 and D13, a business write that kills its process, throws or never ends, of a row that became final late.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { createFleet, type Fleet, registerAll, type Supervised } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const FOLLOWING = ['off', 'on'] as const
const STATUSES = ['stalled', 'expired'] as const

/** Absent until it is so; only the sweep and perhaps the follower look at it from then on. */
const settingsUntil = (status: string): Readonly<Record<string, string>> => ({
  RETRY_LIMIT: '1',
  ...(status === 'expired' ? { EXPIRE_AFTER_MS: '1' } : {}),
})

const eventsUntil = (status: string) => (status === 'expired' ? ['stalled', 'expired'] : ['stalled'])

async function registerUntil(
  fleet: Fleet,
  running: RoleProcess,
  status: string,
  transactions: readonly { txHash: string; kind: string; payload?: object }[],
): Promise<void> {
  await registerAll(running, transactions)
  for (const { txHash } of transactions) {
    await fleet.untilRow(txHash, `it is ${status}`, (row) => row['status'] === status)
  }
}

for (const status of STATUSES) {
  describe.each(FOLLOWING)(`a business write of an ${status} row (FOLLOW_BLOCKS=%s)`, (followBlocks) => {
    let fleet: Fleet
    let api: RoleProcess
    let workers: Supervised

    beforeAll(async () => {
      fleet = await createFleet('table', {
        FOLLOW_BLOCKS: followBlocks,
        STALLED_CHECK_INTERVAL_MS: '300',
        ...settingsUntil(status),
      })
      api = await fleet.start('api')
      workers = fleet.keepRunning('worker')
    })
    afterAll(() => fleet.close())

    /** With three beside it, which are confirmed whatever becomes of it. */
    async function expectParkedAlone(bad: { kind: string; payload?: object }, reason: RegExp): Promise<void> {
      const txHash = randomHash()
      const neighbours = Array.from({ length: 3 }, randomHash)
      await registerUntil(fleet, api, status, [
        ...neighbours.map((each) => ({ txHash: each, kind: 'order' })),
        { txHash, ...bad },
      ])
      fleet.chain.include([...neighbours, txHash])
      await fleet.untilParked(txHash, reason, { status, events: eventsUntil(status) })
      const events = [...eventsUntil(status), 'confirmed']
      for (const each of neighbours) await fleet.untilConfirmedOnce(each, { events })
    }

    it('that throws each time is parked', () =>
      expectParkedAlone({ kind: 'throws', payload: { error: 'plain' } }, /no such product/))

    it('that never ends is parked', () => expectParkedAlone({ kind: 'never-ends' }, /did not finish/i))

    it('that kills its process is parked, and no process dies of it any more', async () => {
      await expectParkedAlone({ kind: 'is-killed' }, /process died/i)
      const ends = workers.ends()
      const later = randomHash()
      await registerUntil(fleet, api, status, [{ txHash: later, kind: 'order' }])
      fleet.chain.include(later)
      await fleet.untilConfirmedOnce(later, { events: [...eventsUntil(status), 'confirmed'] })
      expect(workers.ends()).toBe(ends)
    })
  })
}

describe('a business write that ends its process otherwise', () => {
  let fleet: Fleet
  let api: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet('table', { RETRY_LIMIT: '1', STALLED_CHECK_INTERVAL_MS: '300' })
    api = await fleet.start('api')
    fleet.keepRunning('worker')
  })
  afterAll(() => fleet.close())

  it('by exiting, is parked', async () => {
    const txHash = randomHash()
    await registerUntil(fleet, api, 'stalled', [{ txHash, kind: 'exits' }])
    fleet.chain.include(txHash)
    await fleet.untilParked(txHash, /process died/i, { status: 'stalled', events: ['stalled'] })
  })
})

describe('a business write that never yields', () => {
  it('is ended with its process, counted and parked; a log line names the transaction', async () => {
    const fleet = await createFleet('table', {
      HANDLER_TIMEOUT_MS: '300',
      HANDLER_RETRY_LIMIT: '2',
      STALLED_CHECK_INTERVAL_MS: '300',
      ...settingsUntil('stalled'),
    })
    try {
      const api = await fleet.start('api')
      const worker = await fleet.start('worker')
      const txHash = randomHash()
      await registerUntil(fleet, api, 'stalled', [{ txHash, kind: 'never-yields' }])
      fleet.chain.include(txHash)
      await until('the worker has ended', () => !worker.isRunning(), 20_000)
      const errors = worker.log.filter(({ level }) => level >= 50)
      expect(JSON.stringify(errors)).toContain(txHash)
      fleet.keepRunning('worker')
      const expected = { status: 'stalled', events: ['stalled'], attempts: 2, timeoutMs: 40_000 }
      await fleet.untilParked(txHash, /process died|did not finish/i, expected)
    } finally {
      await fleet.close()
    }
  }, 90_000)
})
