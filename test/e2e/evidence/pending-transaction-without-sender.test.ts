// Public report: NethermindEth/nethermind#608 (`from: null` in a pending transaction).
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { createFleet, detailOf, type Fleet, registerAll } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const ADDRESS = /^0x[0-9a-f]{40}$/
const NONCE = 7

/** How the node shows the transaction while it is in the pool. */
const SENDERS = [
  ['null', { from: null }],
  ['missing', { from: undefined }],
  ['empty', { from: '' }],
  ['no address', { from: '0xab' }],
  ['a number', { from: 12 }],
  ['a text with NUL', { from: `0x${'ab'.repeat(19)}a\u0000` }],
] as const

const NONCES = [
  ['null', { nonce: null }],
  ['missing', { nonce: undefined }],
  ['no number', { nonce: 'seven' }],
  ['beyond 2^53', { nonce: `0x${'ff'.repeat(8)}` }],
] as const

describe('a transaction in the pool', () => {
  let fleet: Fleet
  let running: RoleProcess
  const shown = new Map<string, object>()

  beforeAll(async () => {
    fleet = await createFleet('table', { RETRY_LIMIT: '8' })
    fleet.node.fault = (method, [first]) => {
      const fields = shown.get(String(first))
      if (!fields || !method.endsWith('_getTransactionByHash')) return null
      return { kind: 'altered', alter: (right) => (right === null ? null : { ...right, ...fields }) }
    }
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  async function pend(fields: object, given: (sender: string) => object): Promise<string> {
    const [txHash, sender] = [randomHash(), `0x${randomBytes(20).toString('hex')}`]
    shown.set(txHash, fields)
    fleet.chain.pend(txHash, sender, NONCE)
    await registerAll(running, [{ txHash, kind: 'order', ...given(sender) }])
    return txHash
  }

  /** Its checks go on as for any other: it stalls when it is not included, and is confirmed when it is after all. */
  async function expectChecked(txHash: string): Promise<void> {
    const { id } = await fleet.untilRow(txHash, 'it is stalled', ({ status }) => status === 'stalled')
    const { from } = await detailOf(running, id)
    expect(from === null || ADDRESS.test(String(from))).toBe(true)
    shown.delete(txHash)
    fleet.chain.include(txHash)
    await fleet.untilConfirmedOnce(txHash, { events: ['stalled', 'confirmed'] })
  }

  it.concurrent.each(SENDERS)(
    'whose sender is %s teaches none, and its checks go on when it is gone',
    async (_name, fields) => {
      const txHash = await pend(fields, () => ({}))
      await until('it was seen there', () => fleet.node.looks(txHash).length >= 4)
      fleet.chain.drop(txHash)
      await expectChecked(txHash)
    },
  )

  it.concurrent('whose sender is null does not overrule what the backend said', async () => {
    let given = ''
    const txHash = await pend({ from: null }, (sender) => {
      given = sender
      return { from: sender, nonce: NONCE }
    })
    await until('it was seen there', () => fleet.node.looks(txHash).length >= 4)
    fleet.chain.drop(txHash)
    const { id } = await fleet.untilRow(txHash, 'it is stalled', ({ status }) => status === 'stalled')
    expect(await detailOf(running, id)).toMatchObject({ from: given, nonce: NONCE })
    await expectChecked(txHash)
  })

  it.concurrent.each(NONCES)(
    'whose nonce is %s counts as not included, however long it is shown',
    async (_name, fields) => {
      await expectChecked(await pend(fields, () => ({})))
    },
  )
})
