// Audit: D9 (case A11), the lead stays with a worker that cannot follow the chain.
import { describe, it } from 'vitest'
import { createFleet, NEVER_MS, registerAll } from '../../support/fleet-world.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const ONLY_THE_FOLLOWER = {
  FOLLOW_BLOCKS: 'on',
  RETRY_DELAYS_MS: NEVER_MS,
  SWEEP_INTERVAL_MS: NEVER_MS,
  STALLED_CHECK_INTERVAL_MS: NEVER_MS,
}

const BROKEN: readonly (readonly [string, (node: ScriptedNode) => void])[] = [
  ['refuses its key', (node) => (node.fault = () => ({ kind: 'status', status: 401 }))],
  ['never answers', (node) => (node.fault = () => ({ kind: 'hang' }))],
  ['is on another chain', (node) => (node.chainId = 1001)],
  ['stands still', (node) => (node.headAgeMs = 3_600_000)],
]

describe.concurrent('the lead to follow the chain', () => {
  it.each(BROKEN)(
    'goes on from a worker whose node %s to one whose node works',
    async (_name, breakNode) => {
      const fleet = await createFleet('table', ONLY_THE_FOLLOWER)
      const broken = await startScriptedNode()
      breakNode(broken)
      try {
        const unable = await fleet.start('worker', { RPC_URLS: broken.url })
        await until('it has the lead', async () => {
          const { rows } = await fleet.db.raw<{ rows: object[] }>(
            `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          )
          return rows.length > 0 || !unable.isRunning()
        })
        const able = await fleet.start('start')
        const txHash = randomHash()
        await registerAll(able, [{ txHash, kind: 'order' }])
        const isPutOff = (row: Record<string, unknown>) =>
          new Date(String(row['next_check_at'])).getTime() > Date.now() + 60_000
        await fleet.untilRow(txHash, 'it is not checked any more', isPutOff)
        fleet.chain.include(txHash)
        await fleet.untilConfirmedOnce(txHash, { timeoutMs: 40_000 })
      } finally {
        await fleet.close()
        await broken.stop()
      }
    },
    90_000,
  )

  it('goes on from a worker whose node fails later, too', async () => {
    const fleet = await createFleet('table', ONLY_THE_FOLLOWER)
    const failing = await startScriptedNode({ chain: fleet.chain })
    try {
      await fleet.start('worker', { RPC_URLS: failing.url })
      await until('it follows', async () => (await fleet.followedBlock()) >= 0)
      const able = await fleet.start('start')
      const txHash = randomHash()
      await registerAll(able, [{ txHash, kind: 'order' }])
      await fleet.untilRow(txHash, 'it has been checked', (row) => row['retry_count'] === 1)
      failing.fault = () => ({ kind: 'status', status: 500 })
      fleet.chain.include(txHash)
      await fleet.untilConfirmedOnce(txHash, { timeoutMs: 40_000 })
    } finally {
      await fleet.close()
      await failing.stop()
    }
  }, 90_000)
})
