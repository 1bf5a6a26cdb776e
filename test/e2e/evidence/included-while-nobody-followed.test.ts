// Audit: D8 (case A9), a late block while no process follows the chain.
import { describe, it } from 'vitest'
import { createFleet, NEVER_MS, registerAll } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

/** Expired soon after it stalled, both soon after the registration. */
const SOON_EXPIRED = { RETRY_LIMIT: '1', EXPIRE_AFTER_MS: '1', STALLED_CHECK_INTERVAL_MS: '200' }
const EVENTS = ['stalled', 'expired', 'confirmed']

describe.concurrent('an expired transaction that is included while no process runs', () => {
  it.each([30, 300])('is found by the follower in a gap of %i blocks', async (gapBlocks) => {
    const fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on', ...SOON_EXPIRED })
    try {
      const api = await fleet.start('api')
      const worker = await fleet.start('worker')
      const [txHash, inLastBlock] = [randomHash(), randomHash()]
      await registerAll(
        api,
        [txHash, inLastBlock].map((each) => ({ txHash: each, kind: 'order' })),
      )
      for (const each of [txHash, inLastBlock]) {
        await fleet.untilRow(each, 'it is expired', ({ status }) => status === 'expired')
      }
      await until('the blocks up to now are followed', async () => {
        return (await fleet.followedBlock()) >= fleet.chain.head() - 1
      })
      await worker.stop()
      fleet.chain.include(txHash)
      fleet.chain.mine(gapBlocks)
      fleet.chain.include(inLastBlock)
      fleet.chain.mine(gapBlocks)
      // Only the follower is to find them: no slow check is due.
      await fleet.db('confirmd.transaction_history').update({ next_check_at: null })
      await fleet.start('worker', { STALLED_CHECK_INTERVAL_MS: NEVER_MS })
      for (const each of [txHash, inLastBlock]) await fleet.untilConfirmedOnce(each, { events: EVENTS })
    } finally {
      await fleet.close()
    }
  })

  it('is found by its slow checks where no process follows at all', async () => {
    const fleet = await createFleet('table', SOON_EXPIRED)
    try {
      const running = await fleet.start('start')
      const txHash = randomHash()
      await registerAll(running, [{ txHash, kind: 'order' }])
      await fleet.untilRow(txHash, 'it is expired', ({ status }) => status === 'expired')
      fleet.chain.include(txHash)
      await fleet.untilConfirmedOnce(txHash, { events: EVENTS })
    } finally {
      await fleet.close()
    }
  })
})
