// Public report: brianc/node-postgres#2350 (a handler catches a failed statement and goes on).
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { describeOnEachQueue } from '../../support/broker.ts'
import { createFleet, type Fleet, post, registerAll } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const raised = (sqlState: string) =>
  `DO $$ BEGIN RAISE EXCEPTION 'refused by the test' USING ERRCODE = '${sqlState}'; END $$`

/** Each aborts the transaction, whatever its SQLSTATE says of whose fault it is. */
const FAILING_STATEMENTS = [
  ['a unique violation', "INSERT INTO shipped VALUES ('42')"],
  ['a division by zero', 'SELECT 1 / 0'],
  ['a table that is not there', 'SELECT * FROM nowhere'],
  ['a statement that was cancelled', 'SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)'],
  ['a lost connection to another server', raised('08006')],
  ['a serialization failure', raised('40001')],
] as const

describeOnEachQueue('a business write that goes on after a statement of its own failed', (kind) => {
  let fleet: Fleet
  let running: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet(kind, { FOLLOW_BLOCKS: 'on' })
    await fleet.db.raw('CREATE TABLE shipped (order_id text PRIMARY KEY)')
    await fleet.db.raw("INSERT INTO shipped VALUES ('42')")
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  it.concurrent.each(FAILING_STATEMENTS)(
    'is parked after %s, and neither its block nor later ones wait for it',
    async (_name, sql) => {
      const bad = randomHash()
      const [later, ...neighbours] = Array.from({ length: 4 }, randomHash) as [string, string, string, string]
      await registerAll(running, [
        { txHash: bad, kind: 'swallows', payload: { sql } },
        ...[later, ...neighbours].map((txHash) => ({ txHash, kind: 'order' })),
      ])
      fleet.chain.include([...neighbours.slice(0, 2), bad, ...neighbours.slice(2)])
      for (const txHash of neighbours) await fleet.untilConfirmedOnce(txHash)
      await fleet.untilParked(bad, /aborted transaction/i)
      const block = fleet.chain.include(later)
      await fleet.untilConfirmedOnce(later)
      await until('the follower has passed it', async () => (await fleet.followedBlock()) >= block)
    },
  )

  it('is tried again by a recheck, and confirmed once what failed is repaired', async () => {
    await fleet.db.raw("INSERT INTO shipped VALUES ('43')")
    const txHash = randomHash()
    const sql = "INSERT INTO shipped VALUES ('43')"
    await registerAll(running, [{ txHash, kind: 'swallows', payload: { sql } }])
    fleet.chain.include(txHash)
    const { id } = await fleet.untilParked(txHash, /aborted transaction/i)
    await fleet.db.raw("DELETE FROM shipped WHERE order_id = '43'")
    const recheck = await post(`${running.url}/v1/transactions/${String(id)}/recheck`, {})
    expect(recheck.status).toBe(202)
    await fleet.untilConfirmedOnce(txHash)
  })
})
