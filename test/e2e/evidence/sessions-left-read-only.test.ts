// Public report: lidofinance/lido-keys-api#268 (sessions that stay read-only after a failover).
import { expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { describeOnEachQueue, type QueueKind } from '../../support/broker.ts'
import { createFleet, type Fleet, post, registerAll } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const WAIT_MS = 25_000

interface Scene {
  readonly fleet: Fleet
  readonly api: RoleProcess
  readonly worker: RoleProcess
}

async function inScene(kind: QueueKind, test: (scene: Scene) => Promise<void>): Promise<void> {
  const fleet = await createFleet(kind, { FOLLOW_BLOCKS: 'on', DATABASE_POOL_MAX: '3' })
  try {
    await test({ fleet, api: await fleet.start('api'), worker: await fleet.start('worker') })
  } finally {
    await fleet.close()
  }
}

/** All sessions break; the new ones come to a server that was demoted, and stay read-only for as long as they live. */
async function beginFailover({ fleet: { db, database } }: Scene): Promise<void> {
  await db.raw('ALTER DATABASE ?? SET default_transaction_read_only = on', [database.name])
  await db.raw(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = ? AND application_name LIKE 'confirmd%'`,
    [database.name],
  )
}

/** From now on new sessions come to the primary; those that were made meanwhile are not ended. */
async function endFailover({ fleet: { db, database } }: Scene): Promise<void> {
  await db.raw('ALTER DATABASE ?? RESET default_transaction_read_only', [database.name])
}

async function tryToRegister({ api }: Scene, txHash: string): Promise<number> {
  return (await post(`${api.url}/v1/transactions`, { txHash, kind: 'order' })).status
}

/** Many at a time, so that each session that a process may have is made meanwhile, and none is idle for long. */
async function untilRefused(scene: Scene): Promise<void> {
  let refused = 0
  await until('registrations are refused', async () => {
    const statuses = await Promise.all(Array.from({ length: 10 }, () => tryToRegister(scene, randomHash())))
    refused += statuses.filter((status) => status >= 500).length
    return refused >= 100
  })
}

describeOnEachQueue('after a failover that left read-only sessions behind', (kind) => {
  it.concurrent('registrations are taken again and all are settled, within seconds', () =>
    inScene(kind, async (scene) => {
      const { fleet, api } = scene
      const [before, during, after] = [randomHash(), randomHash(), randomHash()]
      await registerAll(
        api,
        [before, during].map((txHash) => ({ txHash, kind: 'order' })),
      )
      fleet.chain.include(before)
      await fleet.untilConfirmedOnce(before)
      await beginFailover(scene)
      await untilRefused(scene)
      fleet.chain.include(during)
      await endFailover(scene)
      const isTaken = async () => (await tryToRegister(scene, after)) === 202
      await until('a registration is taken', isTaken, WAIT_MS)
      fleet.chain.include(after)
      for (const txHash of [during, after]) await fleet.untilConfirmedOnce(txHash)
      const block = fleet.chain.head()
      await until('the follower goes on', async () => (await fleet.followedBlock()) >= block)
    }))

  it.concurrent('no process says that it is ready before it can write again', () =>
    inScene(kind, async (scene) => {
      const processes = [scene.api, scene.worker]
      const readiness = () =>
        Promise.all(processes.map(async ({ url }) => (await fetch(`${url}/readyz`)).status))
      expect(await readiness()).toEqual([200, 200])
      await beginFailover(scene)
      await untilRefused(scene)
      const isUnready = async () => (await readiness()).every((status) => status === 503)
      await until('both say that they are not ready', isUnready, WAIT_MS)
      await endFailover(scene)
      const isReady = async () => (await readiness()).every((status) => status === 200)
      await until('both are ready again', isReady, WAIT_MS)
      expect(await tryToRegister(scene, randomHash())).toBe(202)
    }))
})
