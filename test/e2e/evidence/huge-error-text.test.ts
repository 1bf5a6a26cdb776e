// Public report: CortexFoundation/CortexTheseus#2086 (RPC errors of a megabyte).
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { createFleet, type Fleet, registerAll } from '../../support/fleet-world.ts'
import { type Answer, randomHash } from '../../support/scripted-node.ts'

const HUGE = randomBytes(200_000).toString('hex')
/** Of what is kept of an error, anywhere. */
const MAX_ERROR_CHARS = 500
/** Of a row with its last checks, of its detail in the API and of a log line. */
const MAX_CHARS = 20_000
const CHECKS = 6

type Change = Extract<Answer, { kind: 'error' | 'altered' }>

const altered = (fields: object): Change => ({
  kind: 'altered',
  alter: (right) => (right === null ? null : { ...right, ...fields }),
})

/** What a node answers, by the end of the method. */
const ANSWERS: readonly (readonly [string, { [method: string]: Change }])[] = [
  [
    'the message of an error',
    { getTransactionReceipt: { kind: 'error', code: -32_000, message: `reverted: ${HUGE}` } },
  ],
  ['the code of an error', { getTransactionReceipt: { kind: 'error', code: HUGE, message: 'reverted' } }],
  ['the hash of a receipt', { getTransactionReceipt: altered({ transactionHash: HUGE }) }],
  ['the block hash of a receipt', { getTransactionReceipt: altered({ blockHash: HUGE }) }],
  [
    'the hash of a header',
    { getHeaderByNumber: altered({ hash: HUGE }), getBlockByNumber: altered({ hash: HUGE }) },
  ],
]

async function expectSmall(fleet: Fleet, running: RoleProcess, txHash: string): Promise<void> {
  const { id, last_error: lastError } = (await fleet.row(txHash)) ?? {}
  expect(String(lastError).length).toBeLessThanOrEqual(MAX_ERROR_CHARS)
  const { rows } = await fleet.db.raw<{ rows: { chars: number }[] }>(
    'SELECT length(t::text) AS chars FROM confirmd.transaction_history AS t WHERE tx_hash = ?',
    [txHash],
  )
  expect(rows[0]?.chars).toBeLessThan(MAX_CHARS)
  const detail = await (await fetch(`${running.url}/v1/transactions/${String(id)}`)).text()
  expect(detail.length).toBeLessThan(MAX_CHARS)
  const longest = Math.max(...running.log.map((line) => JSON.stringify(line).length))
  expect(longest).toBeLessThan(MAX_CHARS)
}

describe.concurrent.each(ANSWERS)('a node that gives 400 kB as %s', (_name, answers) => {
  it('leaves an error of bounded size in row, API and log, however often it is asked', async () => {
    const fleet = await createFleet('table')
    try {
      fleet.node.fault = (method) => answers[method.replace(/^[a-z]+_/, '')] ?? null
      const running = await fleet.start('start')
      const txHash = randomHash()
      fleet.chain.include(txHash)
      await registerAll(running, [{ txHash, kind: 'order' }])
      const isChecked = (row: Record<string, unknown>) => Number(row['consecutive_errors']) >= CHECKS
      await fleet.untilRow(txHash, 'it was checked some times', isChecked)
      await expectSmall(fleet, running, txHash)
      fleet.node.fault = () => null
      await fleet.untilConfirmedOnce(txHash)
    } finally {
      await fleet.close()
    }
  })
})

describe('a business write that throws a megabyte', () => {
  let fleet: Fleet
  let running: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on' })
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  it('is parked with a reason of bounded size in row, API and log', async () => {
    const txHash = randomHash()
    await registerAll(running, [{ txHash, kind: 'throws', payload: { error: 'one megabyte' } }])
    fleet.chain.include(txHash)
    await fleet.untilParked(txHash, /no product of name/)
    await expectSmall(fleet, running, txHash)
  })
})
