// Public report: (found on the way) a handler that runs COMMIT in a batch; audit: D6 (cases A3, A3b, A4, A4b).
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { describeWithBroker, type QueueKind } from '../../support/broker.ts'
import { createFleet, type Fleet, NEVER_MS, type Row, registerAll } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'

const REFUSED = /refused COMMIT/i
const ENDED = /ended transaction/i
const EITHER = /refused COMMIT|ended transaction/i

const ENDINGS = [
  ['runs', 'COMMIT', REFUSED],
  ['runs', 'END', REFUSED],
  ['runs', 'BEGIN; SELECT 1; COMMIT', REFUSED],
  ['runs', 'COMMIT; BEGIN', REFUSED],
  ['runs', 'COMMIT AND CHAIN', REFUSED],
  ['runs-then-throws', 'COMMIT', REFUSED],
  ['swallows', 'COMMIT', EITHER],
  ['runs', 'ROLLBACK', ENDED],
  ['runs', 'ROLLBACK; BEGIN', ENDED],
  ['runs', 'ABORT AND CHAIN', ENDED],
] as const

/** Registered, included in one block in their order, and those of kind `order` confirmed with their write. */
async function settleInOneBlock(
  fleet: Fleet,
  running: RoleProcess,
  transactions: readonly { txHash: string; kind: string; payload?: object }[],
): Promise<void> {
  await registerAll(running, transactions)
  for (const { txHash } of transactions) {
    await fleet.untilRow(txHash, 'it has been checked', (row) => Number(row['retry_count']) > 0)
  }
  fleet.chain.include(transactions.map(({ txHash }) => txHash))
  for (const { txHash, kind } of transactions) if (kind === 'order') await fleet.untilConfirmedOnce(txHash)
}

const ordersOf = (count: number) =>
  Array.from({ length: count }, () => ({ txHash: randomHash(), kind: 'order' }))

function suite(kind: QueueKind, followBlocks: 'on' | 'off', endings: (typeof ENDINGS)[number][]): void {
  let fleet: Fleet
  let running: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet(kind, { FOLLOW_BLOCKS: followBlocks })
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  it.each(endings)(
    'that %s %s takes no write from the seven beside it, and is parked',
    async (kindOf, sql, reason) => {
      const bad = randomHash()
      const orders = ordersOf(7)
      await settleInOneBlock(fleet, running, [
        ...orders.slice(0, 3),
        { txHash: bad, kind: kindOf, payload: { sql } },
        ...orders.slice(3),
      ])
      await fleet.untilParked(bad, reason)
    },
  )
}

describe('a business write by the follower (table)', () => suite('table', 'on', [...ENDINGS]))
describeWithBroker('a business write by the queue alone (rabbitmq)', () =>
  suite('rabbitmq', 'off', [ENDINGS[0], ENDINGS[2], ENDINGS[7]]),
)

describe('a business write that leaves a failing statement behind', () => {
  let fleet: Fleet
  let running: RoleProcess

  beforeAll(async () => {
    // After its first checks a row is not checked again within the test: what is said to be settled must be.
    fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on', RETRY_DELAYS_MS: `100,${NEVER_MS}` })
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  it.each(['immediate', 'tick'])(
    '(%s): those beside it are settled, and it is settled whole or not at all',
    async (after) => {
      const payload = { sql: 'SELECT 1 / 0', after }
      for (let block = 0; block < 5; block++) {
        const bad = randomHash()
        await settleInOneBlock(fleet, running, [...ordersOf(5), { txHash: bad, kind: 'strays', payload }])
        const isDecided = (row: Row) => row['status'] === 'confirmed' || Number(row['handler_attempts']) > 0
        const { status } = await fleet.untilRow(bad, 'it is confirmed or its write is counted', isDecided)
        const writes = await fleet.writesOf(bad)
        expect({ status, writes }).toEqual({ status, writes: status === 'confirmed' ? 1 : 0 })
      }
    },
  )
})
