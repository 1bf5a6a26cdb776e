import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeWithBroker } from '../support/broker.ts'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'
import { installSettableClock, type SettableClock } from '../support/settable-clock.ts'

/** The sweep finds nothing within a test. */
const NO_SWEEP = { SWEEP_GRACE_MS: '3600000' }

describeWithBroker("the database's clock is set back while checks wait", () => {
  let world: World
  let clock: SettableClock
  beforeEach(async () => {
    const settings = { RETRY_DELAYS_MS: '500,1500', RETRY_LIMIT: '50', RPC_TIMEOUT_MS: '20000' }
    world = await createWorld('rabbitmq', { ...settings, ...NO_SWEEP })
    clock = await installSettableClock(world.db)
  })
  afterEach(() => world.close())

  for (const [what, ms] of [
    ['by less than the longest delay', 1_000],
    ['by an hour', 3_600_000],
  ] as const) {
    it(`${what}: each is carried out, without the sweep`, async () => {
      const { url } = await world.start()
      const hashes = [randomHash(), randomHash(), randomHash()]
      for (const txHash of hashes) await register(url, { txHash })
      for (const txHash of hashes)
        await untilRow(world.db, txHash, 'waiting', (row) => row['last_checked_at'] !== null)
      await clock.set(-ms)
      for (const txHash of hashes) world.node.include(txHash)
      for (const txHash of hashes) await untilStatus(world.db, txHash, 'confirmed')
      const republished = await (await fetch(`${url}/metrics`)).text()
      expect(republished).not.toMatch(/^confirmd_sweep_republished_total [1-9]/m)
    })
  }
})
