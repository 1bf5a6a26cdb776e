import { afterAll, beforeAll, expect, it } from 'vitest'
import { startDevelopmentChain } from '../../src/dev/development-chain.ts'
import { SANDBOX_PREFIXES } from '../../src/dev/sandbox.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import { createWorld, type RunningConfirmd, register, type World } from '../support/confirmd.ts'
import { countOrders, createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const lifecycle = createLifecycle((name, error) => {
  throw new Error(name, { cause: error })
})
let world: World
let confirmd: RunningConfirmd

beforeAll(async () => {
  const chain = await startDevelopmentChain({ chainId: 8217 })
  lifecycle.add('chain', chain.stop)
  world = await createWorld('table', {
    RPC_URLS: chain.url,
    HANDLERS: ORDER_HANDLERS,
    FOLLOW_BLOCKS: 'on',
    RETRY_DELAYS_MS: '500,2000',
    RETRY_LIMIT: '5',
  })
  lifecycle.add('world', world.close)
  await createOrderTables(world.db)
  confirmd = await world.start()
})
afterAll(() => lifecycle.releaseAll())

it.each([
  ['confirm', 'confirmed', 1],
  ['revert', 'failed', 0],
  ['unseen', 'stalled', 0],
  ['late', 'confirmed', 1],
] as const)(
  'a hash of the sandbox that is to %s ends as %s, with its business write',
  async (outcome, status, orders) => {
    const prefix = SANDBOX_PREFIXES[outcome]
    const txHash = `${prefix}${randomHash().slice(prefix.length)}`
    const { body } = await register(confirmd.url, { txHash, kind: 'order' })
    const ended = await until('it is decided', async () => {
      const response = await fetch(`${confirmd.url}/v1/transactions/${body.id}?wait=30`)
      const transaction = (await response.json()) as { status: string; retryCount: number }
      return transaction.status !== 'pending' && transaction
    })
    expect(ended.status).toBe(status)
    if (outcome === 'late') expect(ended.retryCount).toBeGreaterThan(1)
    expect(await countOrders(world.db, txHash)).toBe(orders)
  },
)
