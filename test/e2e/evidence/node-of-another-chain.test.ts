// Public report: ethereum-lists/chains#8635 (the address of a node begins to serve another chain).
import { describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { createFleet, type Fleet, NEVER_MS, registerAll } from '../../support/fleet-world.ts'
import { createScriptedChain, type ScriptedChain } from '../../support/scripted-chain.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const WRONG_CHAIN = /chain 1001|wrong chain/i
/** A node on another chain may be left alone for a minute before it is asked again. */
const BACK_MS = 75_000
const TEST_MS = 120_000

interface Scene {
  readonly fleet: Fleet
  readonly running: RoleProcess
  /** Shows our chain, too; asked after the other one. */
  readonly second: ScriptedNode
  /** Another chain with the same heights. */
  readonly other: ScriptedChain
}

/** As a test of its own beside the others: what each waits for takes long, and is not much work. */
function inScene(
  settings: Readonly<Record<string, string>>,
  test: (scene: Scene) => Promise<void>,
  { hasSecondNode = false } = {},
): () => Promise<void> {
  return async () => {
    const fleet = await createFleet('table', settings)
    const other = createScriptedChain({ chainId: 1001, head: 1010 })
    other.mineEvery(250)
    const second = await startScriptedNode({ chain: fleet.chain })
    try {
      const urls = hasSecondNode ? [fleet.node.url, second.url] : [fleet.node.url]
      const running = await fleet.start('start', { RPC_URLS: urls.join(',') })
      await test({ fleet, running, second, other })
    } finally {
      await fleet.close()
      await second.stop()
      other.stop()
    }
  }
}

/** Has waited a moment on its own chain, and was checked there. */
async function registerWaiting({ fleet, running }: Scene, txHash: string): Promise<void> {
  await registerAll(running, [{ txHash, kind: 'both' }])
  await fleet.untilRow(txHash, 'it was checked', ({ retry_count: checks }) => Number(checks) >= 1)
}

async function untilRefused({ fleet }: Scene, txHash: string): Promise<void> {
  await fleet.untilRow(txHash, 'it waits for a node of its chain', (row) => {
    return row['status'] !== 'pending' || WRONG_CHAIN.test(String(row['last_error']))
  })
  const { status, block_number: blockNumber } = (await fleet.row(txHash)) ?? {}
  expect({ status, blockNumber }).toEqual({ status: 'pending', blockNumber: null })
}

/** The verdict of its own chain, with its write, and nothing before. */
async function untilSettledAs({ fleet }: Scene, txHash: string, status: string): Promise<void> {
  await fleet.untilRow(txHash, `it is ${status}`, (row) => row['status'] === status, BACK_MS)
  const orders = await fleet.db('orders').where({ tx_hash: txHash }).select('status')
  expect({ orders, events: await fleet.eventsOf(txHash) }).toEqual({ orders: [{ status }], events: [status] })
}

describe.concurrent('an address that begins to serve another chain', () => {
  for (const followBlocks of ['off', 'on']) {
    for (const [there, here] of [
      ['confirmed', 'failed'],
      ['failed', 'confirmed'],
    ] as const) {
      it(
        `where the same hash is ${there} gives no verdict; later its own chain does (FOLLOW_BLOCKS=${followBlocks})`,
        inScene({ FOLLOW_BLOCKS: followBlocks }, async (scene) => {
          const { fleet, other } = scene
          const txHash = randomHash()
          await registerWaiting(scene, txHash)
          fleet.node.chain = other
          other.include(txHash, { succeeded: there === 'confirmed' })
          await untilRefused(scene, txHash)
          fleet.node.chain = fleet.chain
          fleet.chain.include(txHash, { succeeded: here === 'confirmed' })
          await untilSettledAs(scene, txHash, here)
        }),
        TEST_MS,
      )
    }
  }

  it.each([
    ['as the backend said', { from: `0x${'ab'.repeat(20)}`, nonce: 12 }],
    ['as the pool showed', {}],
  ])(
    'where the nonce, %s, is used up, replaces nothing',
    (_name, given) =>
      inScene({}, async (scene) => {
        const { fleet, running, other } = scene
        const [txHash, sender] = [randomHash(), `0x${'ab'.repeat(20)}`]
        fleet.chain.pend(txHash, sender, 12)
        other.setNonce(sender, 500)
        await registerAll(running, [{ txHash, kind: 'both', ...given }])
        const isSeen = ({ retry_count: checks }: Record<string, unknown>) => Number(checks) >= 5
        await fleet.untilRow(txHash, 'it was seen in the pool', isSeen)
        fleet.node.chain = other
        const blocks = other.head() + 60
        await until('some time has passed there', async () => {
          return other.head() >= blocks || (await fleet.row(txHash))?.['status'] !== 'pending'
        })
        await untilRefused(scene, txHash)
        fleet.node.chain = fleet.chain
        fleet.chain.include(txHash)
        await untilSettledAs(scene, txHash, 'confirmed')
      })(),
    TEST_MS,
  )

  it(
    'does not take the follower along: its cursor stays on its own chain',
    inScene({ FOLLOW_BLOCKS: 'on', RETRY_DELAYS_MS: NEVER_MS }, async (scene) => {
      const { fleet, running, other } = scene
      await until('it follows', async () => (await fleet.followedBlock()) >= 1000)
      const txHash = randomHash()
      await registerWaiting(scene, txHash)
      other.mine(2_000)
      fleet.node.chain = other
      await until(
        'the follower is there, or knows better',
        async () =>
          (await fleet.followedBlock()) > fleet.chain.head() ||
          running.log.some((line) => WRONG_CHAIN.test(JSON.stringify(line))),
        BACK_MS,
      )
      fleet.node.chain = fleet.chain
      expect(await fleet.followedBlock()).toBeLessThanOrEqual(fleet.chain.head())
      fleet.chain.include(txHash)
      await untilSettledAs(scene, txHash, 'confirmed')
    }),
    TEST_MS,
  )

  it(
    'beside a second one that stays is left for the second',
    inScene(
      {},
      async (scene) => {
        const { fleet, other } = scene
        const txHash = randomHash()
        await registerWaiting(scene, txHash)
        other.include(txHash, { succeeded: false })
        fleet.node.chain = other
        await fleet.untilRow(txHash, 'it is checked all the same', (row) => {
          return row['status'] !== 'pending' || Number(row['retry_count']) >= 5
        })
        fleet.chain.include(txHash)
        await untilSettledAs(scene, txHash, 'confirmed')
      },
      { hasSecondNode: true },
    ),
    TEST_MS,
  )
})

describe.concurrent('a load balancer with a machine of another chain behind it', () => {
  it(
    'gives no verdict of that chain although it names the right one when it is asked for that alone',
    inScene({}, async (scene) => {
      const { fleet, other } = scene
      const hashes = Array.from({ length: 10 }, randomHash)
      for (const txHash of hashes) await registerWaiting(scene, txHash)
      other.include(hashes, { succeeded: false })
      fleet.node.route = (calls) =>
        calls.every(({ method }) => /_chainI[Dd]$/.test(method)) ? fleet.chain : other
      for (const txHash of hashes) await untilRefused(scene, txHash)
      fleet.node.route = null
      fleet.chain.include(hashes)
      for (const txHash of hashes) await untilSettledAs(scene, txHash, 'confirmed')
    }),
    TEST_MS,
  )
})
