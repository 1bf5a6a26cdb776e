// Audit: D12 and D13, a business write that kills its process, throws or never ends, of a row that became final late.
import { describe, expect, it } from 'vitest'
import {
  createFleet,
  type Fleet,
  HANDLER_RETRY_LIMIT,
  type RecordedTransaction,
} from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const ROWS = [
  ['stalled', 'off'],
  ['stalled', 'on'],
  ['expired', 'off'],
] as const

/** What no process died of by then is parked; each death costs a start. */
const PARKED_MS = 45_000
const TEST_MS = 120_000

type Status = 'stalled' | 'expired'

interface Bad extends RecordedTransaction {
  readonly reason: RegExp
}

/** Absent until it is so; only the sweep and perhaps the follower look at it from then on. */
function createLateFleet(status: Status, settings: Readonly<Record<string, string>> = {}): Promise<Fleet> {
  return createFleet('table', {
    RETRY_LIMIT: '1',
    STALLED_CHECK_INTERVAL_MS: '300',
    ...(status === 'expired' ? { EXPIRE_AFTER_MS: '1' } : {}),
    ...settings,
  })
}

const eventsUntil = (status: Status) => (status === 'expired' ? ['stalled', 'expired'] : ['stalled'])

async function recordUntil(fleet: Fleet, status: Status, transactions: readonly RecordedTransaction[]) {
  await fleet.record(transactions)
  for (const { txHash } of transactions) {
    await fleet.untilRow(txHash, `it is ${status}`, (row) => row['status'] === status)
  }
}

/** With three beside them that are confirmed, whatever becomes of them. */
async function expectParked(fleet: Fleet, status: Status, bad: readonly Bad[]): Promise<void> {
  const neighbours = [randomHash(), randomHash(), randomHash()]
  await recordUntil(fleet, status, [...neighbours.map((txHash) => ({ txHash, kind: 'order' })), ...bad])
  fleet.chain.include([...neighbours, ...bad.map(({ txHash }) => txHash)])
  const events = eventsUntil(status)
  for (const { txHash, reason } of bad) {
    await fleet.untilParked(txHash, reason, { status, events, timeoutMs: PARKED_MS })
  }
  for (const txHash of neighbours) {
    await fleet.untilConfirmedOnce(txHash, { events: [...events, 'confirmed'] })
  }
}

describe.concurrent('a business write of a row that became final late', () => {
  it.each(ROWS)(
    'that throws or never ends is parked: %s, FOLLOW_BLOCKS=%s',
    async (status, followBlocks) => {
      const fleet = await createLateFleet(status, { FOLLOW_BLOCKS: followBlocks })
      try {
        await fleet.start('worker')
        await expectParked(fleet, status, [
          { txHash: randomHash(), kind: 'throws', payload: { error: 'plain' }, reason: /no such product/ },
          { txHash: randomHash(), kind: 'never-ends', reason: /did not finish/i },
        ])
      } finally {
        await fleet.close()
      }
    },
    TEST_MS,
  )

  it.each(ROWS)(
    'that kills its process is parked, and kills no other: %s, FOLLOW_BLOCKS=%s',
    async (status, followBlocks) => {
      const fleet = await createLateFleet(status, { FOLLOW_BLOCKS: followBlocks })
      try {
        const workers = fleet.keepRunning('worker')
        await expectParked(fleet, status, [
          { txHash: randomHash(), kind: 'is-killed', reason: /process died/i },
        ])
        const ends = workers.ends()
        expect(ends).toBeGreaterThanOrEqual(HANDLER_RETRY_LIMIT)
        await expectParked(fleet, status, [])
        expect(workers.ends()).toBe(ends)
      } finally {
        await fleet.close()
      }
    },
    TEST_MS,
  )

  it(
    'that exits its process is parked',
    async () => {
      const fleet = await createLateFleet('stalled')
      try {
        fleet.keepRunning('worker')
        await expectParked(fleet, 'stalled', [
          { txHash: randomHash(), kind: 'exits', reason: /process died/i },
        ])
      } finally {
        await fleet.close()
      }
    },
    TEST_MS,
  )

  it(
    'that never yields is ended with its process, which names the transaction, and is parked',
    async () => {
      const fleet = await createLateFleet('stalled', { HANDLER_TIMEOUT_MS: '300', HANDLER_RETRY_LIMIT: '2' })
      try {
        const worker = await fleet.start('worker')
        const txHash = randomHash()
        await recordUntil(fleet, 'stalled', [{ txHash, kind: 'never-yields' }])
        fleet.chain.include(txHash)
        await until('the worker has ended', () => !worker.isRunning(), 20_000)
        const errors = worker.log.filter(({ level }) => level >= 50)
        expect(JSON.stringify(errors)).toContain(txHash)
        fleet.keepRunning('worker')
        const expected = { status: 'stalled', events: ['stalled'], attempts: 2, timeoutMs: PARKED_MS }
        await fleet.untilParked(txHash, /process died|did not finish/i, expected)
      } finally {
        await fleet.close()
      }
    },
    TEST_MS,
  )
})
