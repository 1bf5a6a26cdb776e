// Public report: oasisprotocol/nexus#439 (U+0000 in an error text that is kept).
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { describeOnEachQueue } from '../../support/broker.ts'
import { createFleet, type Fleet, registerAll } from '../../support/fleet-world.ts'
import { type Answer, randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

/** The data of a log that holds a text of 32 bytes, filled with zeros, as contracts do. */
const LOG = {
  address: `0x${'22'.repeat(20)}`,
  topics: [],
  data: `0x${Buffer.from('widget').toString('hex').padEnd(64, '0')}`,
}

const THROWN = [
  ['NUL from the chain', /no product of name widget/],
  ['half of a surrogate pair', /no product of name/],
  ['object without text', /\S/],
] as const

const RPC_ERRORS: readonly (readonly [string, Answer, RegExp])[] = [
  [
    'NUL',
    { kind: 'error', code: 3, message: 'execution reverted: no\u0000\u0000' },
    /execution reverted: no/,
  ],
  ['half of a surrogate pair', { kind: 'error', code: 3, message: 'reverted: \ud83d' }, /reverted/],
  ['no text at all', { kind: 'error', code: 3, message: { toString: null } }, /\S/],
  ['a code with NUL', { kind: 'error', code: 'E\u0000', message: 'reverted' }, /reverted/],
]

describeOnEachQueue('an error text', (kind) => {
  let fleet: Fleet
  let running: RoleProcess
  /** What is answered about the receipts of some. */
  const answers = new Map<string, Answer>()

  beforeAll(async () => {
    fleet = await createFleet(kind, { FOLLOW_BLOCKS: 'on' })
    fleet.node.fault = (method, [txHash]) =>
      method.endsWith('_getTransactionReceipt') ? (answers.get(String(txHash)) ?? null) : null
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  it.concurrent.each(THROWN)(
    'of a business write, %s, is counted and kept, and the row is parked',
    async (error, reason) => {
      const txHash = randomHash()
      await registerAll(running, [{ txHash, kind: 'throws', payload: { error } }])
      fleet.chain.include(txHash, { receipt: { logs: [LOG] } })
      await fleet.untilParked(txHash, reason)
    },
  )

  it.concurrent.each(RPC_ERRORS)(
    'of a node, %s, is kept, and a later answer is taken',
    async (_name, answer, reason) => {
      const [txHash, later] = [randomHash(), randomHash()]
      answers.set(txHash, answer)
      await registerAll(
        running,
        [txHash, later].map((each) => ({ txHash: each, kind: 'order' })),
      )
      fleet.chain.include(txHash)
      const block = fleet.chain.include(later)
      const isKept = (row: Record<string, unknown>) =>
        Number(row['consecutive_errors']) >= 2 && reason.test(String(row['last_error']))
      expect(await fleet.untilRow(txHash, 'the error is kept', isKept)).toMatchObject({ status: 'pending' })
      await fleet.untilConfirmedOnce(later)
      await until('the follower has passed both', async () => (await fleet.followedBlock()) >= block)
      answers.delete(txHash)
      await fleet.untilConfirmedOnce(txHash)
    },
  )
})
