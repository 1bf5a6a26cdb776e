import { afterEach, beforeEach, expect, it } from 'vitest'
import { amqpUrl, deleteTopology, describeOnEachQueue, uniquePrefix } from '../support/broker.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { createOrderTables, eventsOf, ORDER_HANDLERS } from '../support/orders.ts'
import { createScriptedChain } from '../support/scripted-chain.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const OTHER_CHAIN_ID = 1_001
const DELAYS_MS = [100, 200] as const
const SENDER = `0x${'ab'.repeat(20)}`
/** Rows without a message are looked for all the time, by everybody. */
const EAGER = { SWEEP_INTERVAL_MS: '100', SWEEP_GRACE_MS: '300', STALLED_CHECK_INTERVAL_MS: '100' }

describeOnEachQueue('two chains in one database', (queue) => {
  let world: World
  let otherNode: ScriptedNode
  let ownPrefix: string
  beforeEach(async () => {
    world = await createWorld(queue, {
      HANDLERS: ORDER_HANDLERS,
      RETRY_DELAYS_MS: DELAYS_MS.join(','),
      ...EAGER,
    })
    await createOrderTables(world.db)
    otherNode = await startScriptedNode({ chain: createScriptedChain({ chainId: OTHER_CHAIN_ID }) })
    otherNode.chainId = OTHER_CHAIN_ID
    ownPrefix = uniquePrefix()
  })
  afterEach(async () => {
    await world.stopAll()
    if (queue === 'rabbitmq') await deleteTopology(amqpUrl(), ownPrefix, DELAYS_MS)
    await otherNode.stop()
    await world.close()
  })

  /** A process of the other chain; its queues are its own, or those of the first chain. */
  const startOther = (hasOwnPrefix: boolean, role: 'start' | 'worker' = 'start') =>
    world.start(role, {
      ...{ CHAIN: 'other', CHAIN_ID: String(OTHER_CHAIN_ID), RPC_URLS: otherNode.url },
      ...(hasOwnPrefix && queue === 'rabbitmq' ? { AMQP_PREFIX: ownPrefix } : {}),
    })

  const rowOf = (chain: string, txHash: string) =>
    world.db('confirmd.transaction_history').where({ chain, tx_hash: txHash }).first()

  it.each([true, false])(
    'give each of their own verdicts (queues of their own: %s)',
    async (hasOwnPrefix) => {
      const kaia = await world.start()
      const other = await startOther(hasOwnPrefix)
      const hashes = Array.from({ length: 20 }, randomHash)
      for (const [index, txHash] of hashes.entries()) {
        const [good, bad] = index % 2 === 0 ? [world.node, otherNode] : [otherNode, world.node]
        good.include(txHash)
        bad.include(txHash, { succeeded: false, txError: '0x9' })
      }
      await Promise.all(
        hashes.flatMap((txHash) => [
          register(kaia.url, { txHash, kind: 'order' }),
          register(other.url, { txHash, kind: 'order' }),
        ]),
      )
      await until('all have their verdicts', async () => {
        const [open] = await world.db('confirmd.transaction_history').whereNull('settled_at').count()
        return open?.['count'] === '0'
      })
      for (const [index, txHash] of hashes.entries()) {
        const [ours, theirs] = [await rowOf('kaia', txHash), await rowOf('other', txHash)]
        const [good, bad] = index % 2 === 0 ? [ours, theirs] : [theirs, ours]
        expect([good.status, bad.status]).toEqual(['confirmed', 'failed'])
        expect(await world.db('orders').where({ tx_hash: txHash }).pluck('transaction_id')).toEqual([good.id])
        expect((await eventsOf(world.db, bad.id)).map(({ status }) => status)).toEqual(['failed'])
      }
    },
  )

  it('leave a row alone that only the other chain can decide, in whatever state it is', async () => {
    const api = await world.start('api')
    const waiting = randomHash()
    const { body } = await register(api.url, { txHash: waiting, kind: 'order', from: SENDER, nonce: 5 })
    const stalled = randomHash()
    await register(api.url, { txHash: stalled, kind: 'order' })
    const longAgo = world.db.raw("now() - interval '2 days'")
    await world
      .db('confirmd.transaction_history')
      .where({ tx_hash: stalled })
      .update({ status: 'stalled', stalled_at: longAgo, next_check_at: longAgo })
    // The same account has gone on there.
    otherNode.setNonce(SENDER, 9)
    const other = await startOther(true)
    const marker = randomHash()
    await register(other.url, { txHash: marker, kind: 'order' })
    await until('the other worker has checked for a while', () => otherNode.looks(marker).length >= 5)
    expect(otherNode.looks(waiting)).toEqual([])
    expect(otherNode.looks(stalled)).toEqual([])
    world.node.include(waiting)
    world.node.include(stalled)
    await world.start('worker')
    await untilStatus(world.db, waiting, 'confirmed')
    await untilStatus(world.db, stalled, 'confirmed')
    expect((await eventsOf(world.db, body.id)).map(({ status }) => status)).toEqual(['confirmed'])
  })
})
