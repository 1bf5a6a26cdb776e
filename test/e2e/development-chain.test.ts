import { expect, it } from 'vitest'
import { createDemoSender } from '../../src/dev/demo-sender.ts'
import { startDevelopmentChain } from '../../src/dev/development-chain.ts'
import { startRole } from '../../src/dev/role-process.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import { describeOnEachQueue } from '../support/broker.ts'
import { createWorld, register } from '../support/confirmd.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const CHAIN_ID = 8217
const TRANSFERS = 900
const REVERTS = 80
const NEVER_SENT = 20

describeOnEachQueue('1,000 transactions of the development chain', (kind) => {
  it('get their right verdicts from an API and two workers, each a process of its own', {
    timeout: 120_000,
  }, async () => {
    const lifecycle = createLifecycle((name, error) => {
      throw new Error(name, { cause: error })
    })
    try {
      const chain = await startDevelopmentChain({ chainId: CHAIN_ID })
      lifecycle.add('chain', chain.stop)
      const world = await createWorld(kind, {
        RPC_URLS: chain.url,
        HANDLERS: ORDER_HANDLERS,
        RETRY_DELAYS_MS: '500,1000',
        RETRY_LIMIT: '8',
      })
      lifecycle.add('world', world.close)
      await createOrderTables(world.db)
      const api = await startRole('api', world.environment)
      lifecycle.add('api', async () => void (await api.stop()))
      for (let count = 0; count < 2; count++) {
        const worker = await startRole('worker', world.environment)
        lifecycle.add('worker', async () => void (await worker.stop()))
      }
      const sender = await createDemoSender(chain.url, CHAIN_ID)
      lifecycle.add('sender', sender.close)

      const truth = new Map<string, string>()
      const registrations: Promise<unknown>[] = []
      const track = (txHash: string, verdict: string) => {
        truth.set(txHash, verdict)
        const registered = register(api.url, { txHash, kind: 'order' })
        registered.catch(() => undefined)
        registrations.push(registered)
      }
      for (let count = 0; count < TRANSFERS; count++) track(await sender.transfer(), 'confirmed')
      for (let count = 0; count < REVERTS; count++) track(await sender.revert(), 'failed')
      for (let count = 0; count < NEVER_SENT; count++) track(randomHash(), 'stalled')
      await Promise.all(registrations)

      await until(
        'none is pending',
        async () => {
          const [row] = await world.db('confirmd.transaction_history').where({ status: 'pending' }).count()
          return row?.['count'] === '0'
        },
        60_000,
      )
      const rows = await world.db('confirmd.transaction_history').select('tx_hash', 'status')
      expect(new Map(rows.map((row) => [row.tx_hash, row.status]))).toEqual(truth)
      const orders = await world.db('orders').select('tx_hash')
      const confirmed = [...truth].filter(([, verdict]) => verdict === 'confirmed').map(([txHash]) => txHash)
      expect(orders.map((order) => order.tx_hash).sort()).toEqual(confirmed.sort())
    } finally {
      await lifecycle.releaseAll()
    }
  })
})
