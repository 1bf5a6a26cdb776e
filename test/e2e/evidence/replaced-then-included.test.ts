// Audit: D4 (cases A10 and E19), `replaced` by a claimed nonce, for ever, and by the clock of one worker.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { createFleet, detailOf, type Fleet, NEVER_MS, post, registerAll } from '../../support/fleet-world.ts'
import { randomHash, startScriptedNode } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

/** Longer than a suspicion that a nonce is used up must last. */
const LONG_ENOUGH_MS = 11_500
const CLOCK_BEHIND = new URL('../../support/clock-behind.js', import.meta.url)
/** Checks after which the node has shown a pending transaction more than twice. */
const CHECKS_WHILE_SHOWN = 5

const randomAddress = () => `0x${randomBytes(20).toString('hex')}`

/** In the pool for several checks; then another transaction with its sender and nonce is included. */
async function overtake(fleet: Fleet, txHash: string): Promise<string> {
  const isShown = ({ retry_count: checks }: Record<string, unknown>) => Number(checks) >= CHECKS_WHILE_SHOWN
  await fleet.untilRow(txHash, 'it was seen in the pool', isShown)
  const sender = `0x${txHash.slice(-40)}`
  const other = randomHash()
  fleet.chain.drop(txHash)
  fleet.chain.include(other, { sender, nonce: 5 })
  return other
}

async function registerPending(fleet: Fleet, running: RoleProcess, hashes: readonly string[]): Promise<void> {
  for (const txHash of hashes) fleet.chain.pend(txHash, `0x${txHash.slice(-40)}`, 5)
  await registerAll(
    running,
    hashes.map((txHash) => ({ txHash, kind: 'order' })),
  )
}

describe('a nonce that only the backend named', () => {
  let fleet: Fleet
  let running: RoleProcess
  let second: Awaited<ReturnType<typeof startScriptedNode>>

  beforeAll(async () => {
    fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on' })
    second = await startScriptedNode({ chain: fleet.chain })
    running = await fleet.start('start', { RPC_URLS: `${fleet.node.url},${second.url}` })
  })
  afterAll(async () => {
    await fleet.close()
    await second.stop()
  })

  it.concurrent.each([
    ['is one too small', 8, 9],
    ['is the first of a busy account', 0, 5000],
  ])(
    'that %s replaces nothing: the transaction is confirmed when it is included',
    async (_name, claimed, next) => {
      const [txHash, sender] = [randomHash(), randomAddress()]
      fleet.chain.setNonce(sender, next)
      await registerAll(running, [{ txHash, kind: 'order', from: sender, nonce: claimed }])
      await fleet.untilCheckedFor(txHash, LONG_ENOUGH_MS)
      fleet.chain.include(txHash, { sender, nonce: next })
      await fleet.untilConfirmedOnce(txHash)
    },
  )
})

describe.concurrent.each([
  ['the follower', { FOLLOW_BLOCKS: 'on', STALLED_CHECK_INTERVAL_MS: NEVER_MS }],
  ['the slow checks', { STALLED_CHECK_INTERVAL_MS: '500' }],
  ['a recheck', { STALLED_CHECK_INTERVAL_MS: NEVER_MS }],
])('a transaction that was replaced and is included after all', (finder, settings) => {
  it(`names what replaced it, and is confirmed once ${finder} finds it`, async () => {
    const fleet = await createFleet('table', settings)
    try {
      const running = await fleet.start('start')
      const txHash = randomHash()
      await registerPending(fleet, running, [txHash])
      const other = await overtake(fleet, txHash)
      const { id } = await fleet.untilRow(txHash, 'it is replaced', ({ status }) => status === 'replaced')
      const replaced = await detailOf(running, id)
      fleet.chain.exclude(other)
      fleet.chain.include(txHash)
      if (finder === 'a recheck') {
        const { status } = await post(`${running.url}/v1/transactions/${String(id)}/recheck`, {})
        expect(status).toBe(202)
      }
      await fleet.untilConfirmedOnce(txHash, { events: ['replaced', 'confirmed'] })
      expect(replaced).toMatchObject({ status: 'replaced', replacedBy: other })
    } finally {
      await fleet.close()
    }
  })
})

describe.concurrent('a worker whose clock is behind', () => {
  it('does not make three quick checks a long suspicion', async () => {
    const fleet = await createFleet('table', { RETRY_DELAYS_MS: '200' })
    try {
      const api = await fleet.start('api')
      await fleet.start('worker', { NODE_OPTIONS: `--import ${CLOCK_BEHIND.href}` })
      await fleet.start('worker')
      const hashes = Array.from({ length: 12 }, randomHash)
      await registerPending(fleet, api, hashes)
      for (const txHash of hashes) await overtake(fleet, txHash)
      const checksBefore = new Map(hashes.map((txHash) => [txHash, fleet.node.looks(txHash).length]))
      for (const txHash of hashes) {
        await until('it was checked some times since', async () => {
          const checks = fleet.node.looks(txHash).length - (checksBefore.get(txHash) ?? 0)
          return checks >= 8 || (await fleet.row(txHash))?.['status'] !== 'pending'
        })
      }
      for (const txHash of hashes) fleet.chain.include(txHash)
      for (const txHash of hashes) await fleet.untilConfirmedOnce(txHash)
    } finally {
      await fleet.close()
    }
  })
})
