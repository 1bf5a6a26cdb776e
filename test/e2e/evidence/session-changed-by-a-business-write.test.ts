// Public reports: knex/knex#3246, knex/knex#3309 (what a transaction leaves behind in its session).
import { expect, it } from 'vitest'
import { describeOnEachQueue } from '../../support/broker.ts'
import { createFleet, registerAll } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'

/** What is set, and whether confirmd can be asked to confirm it all the same. */
const CHANGES = [
  ['SET search_path TO nowhere', true],
  ['SET default_transaction_read_only = on', true],
  ['SET statement_timeout = 1', true],
  ['SET ROLE pg_monitor', false],
] as const

describeOnEachQueue('after a business write that runs', (kind) => {
  it.concurrent.each(kind === 'table' ? CHANGES : CHANGES.slice(0, 1))(
    '%s, all others find the session as it was',
    async (sql, isConfirmed) => {
      const fleet = await createFleet(kind, { FOLLOW_BLOCKS: 'on', DATABASE_POOL_MAX: '2' })
      try {
        const running = await fleet.start('start')
        const changing = Array.from({ length: 4 }, randomHash)
        await registerAll(
          running,
          changing.map((txHash) => ({ txHash, kind: 'runs', payload: { sql } })),
        )
        for (const txHash of changing) fleet.chain.include(txHash)
        for (const txHash of changing) {
          if (isConfirmed) await fleet.untilConfirmedOnce(txHash)
          else {
            const isDone = (row: Record<string, unknown>) =>
              row['status'] === 'confirmed' || row['parked_at'] !== null
            const { status } = await fleet.untilRow(txHash, 'it is confirmed or parked', isDone)
            expect(await fleet.writesOf(txHash)).toBe(status === 'confirmed' ? 1 : 0)
          }
        }
        const later = Array.from({ length: 20 }, randomHash)
        await registerAll(
          running,
          later.map((txHash) => ({ txHash, kind: 'order' })),
        )
        fleet.chain.include(later)
        for (const txHash of later) await fleet.untilConfirmedOnce(txHash)
        expect((await fetch(`${running.url}/readyz`)).status).toBe(200)
      } finally {
        await fleet.close()
      }
    },
  )
})
