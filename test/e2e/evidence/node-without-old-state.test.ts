// Public reports: MetaMask/metamask-extension#13322, bor#109 (getTransactionCount fails for want of old state).
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { createFleet, type Fleet, registerAll } from '../../support/fleet-world.ts'
import { type Answer, randomHash } from '../../support/scripted-node.ts'

const NONCE_ANSWERS: readonly (readonly [string, Answer])[] = [
  ['"missing trie node"', { kind: 'error', code: -32_000, message: 'missing trie node 0a (path )' }],
  ['"does not exist"', { kind: 'error', code: -32_601, message: 'the method does not exist' }],
  ['null', { kind: 'result', result: null }],
  ['0x', { kind: 'result', result: '0x' }],
]

describe('a node that has the nonce of no account of then', () => {
  let fleet: Fleet
  let running: RoleProcess
  /** What it answers, by account. */
  const answers = new Map<string, Answer>()

  beforeAll(async () => {
    fleet = await createFleet('table', { RETRY_LIMIT: '8', EXPIRE_AFTER_MS: '1500' })
    fleet.node.fault = (method, [account]) =>
      method.endsWith('_getTransactionCount') ? (answers.get(String(account).toLowerCase()) ?? null) : null
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  function accountOf(answer: Answer): string {
    const account = `0x${randomBytes(20).toString('hex')}`
    answers.set(account, answer)
    return account
  }

  /** Its absence counts; only the evidence of a replacement is missing. */
  async function expectStalledThenExpired(txHash: string): Promise<void> {
    const isWaitingNoMore = ({ status }: Record<string, unknown>) => status !== 'pending'
    const { id } = await fleet.untilRow(txHash, 'it is stalled', isWaitingNoMore)
    const diagnosis = await (await fetch(`${running.url}/v1/transactions/${String(id)}/diagnosis`)).text()
    expect(diagnosis).toMatch(/nonce could not be read/i)
    expect(diagnosis).not.toContain('nodes-unavailable')
    await fleet.untilRow(txHash, 'it is expired', ({ status }) => status === 'expired')
    expect(await fleet.eventsOf(txHash)).toEqual(['stalled', 'expired'])
  }

  describe.concurrent.each(NONCE_ANSWERS)('but answers %s', (_name, answer) => {
    it('lets a transaction that no node knows stall and expire', async () => {
      const txHash = randomHash()
      await registerAll(running, [{ txHash, kind: 'order', from: accountOf(answer), nonce: 8 }])
      await expectStalledThenExpired(txHash)
    })

    it('lets one that was in the pool for a while stall and expire', async () => {
      const txHash = randomHash()
      fleet.chain.pend(txHash, accountOf(answer), 8)
      await registerAll(running, [{ txHash, kind: 'order' }])
      const isSeen = ({ retry_count: checks }: Record<string, unknown>) => Number(checks) >= 4
      await fleet.untilRow(txHash, 'it was seen in the pool', isSeen)
      fleet.chain.drop(txHash)
      await expectStalledThenExpired(txHash)
    })
  })
})

describe('a node that can not look for transactions, only for receipts', () => {
  it('lets a transaction stall that has no receipt, and confirms it when it has one', async () => {
    const fleet = await createFleet('table', { RETRY_LIMIT: '4' })
    try {
      fleet.node.fault = (method) =>
        method.endsWith('_getTransactionByHash')
          ? { kind: 'error', code: -32_601, message: 'the method is not available' }
          : null
      const running = await fleet.start('start')
      const txHash = randomHash()
      await registerAll(running, [{ txHash, kind: 'order' }])
      await fleet.untilRow(txHash, 'it is stalled', ({ status }) => status === 'stalled')
      fleet.chain.include(txHash)
      await fleet.untilConfirmedOnce(txHash, { events: ['stalled', 'confirmed'] })
    } finally {
      await fleet.close()
    }
  })
})
