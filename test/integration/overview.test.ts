import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Activity, Overview } from '../../src/domain/overview.ts'
import { describeWithBroker } from '../support/broker.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

async function read<T>(url: string, path: string): Promise<T> {
  const answer = await fetch(`${url}${path}`)
  expect(answer.status).toBe(200)
  return (await answer.json()) as T
}

describeWithBroker('the overview', () => {
  let world: World

  beforeEach(async () => {
    world = await createWorld('rabbitmq', { RETRY_LIMIT: '2', FOLLOW_BLOCKS: 'on' })
  })
  afterEach(async () => {
    await world.close()
  })

  it('any API process shows what the workers do: outcomes, retries, nodes, queues, leader', async () => {
    const api = await world.start('api')
    const worker = await world.start('worker')
    const [good, bad, missing] = [randomHash(), randomHash(), randomHash()]
    world.node.include(good)
    world.node.include(bad, { succeeded: false, txError: '0x9' })
    for (const txHash of [good, bad, missing]) await register(api.url, { txHash, kind: 'order' })
    await untilStatus(world.db, good, 'confirmed')
    await untilStatus(world.db, bad, 'failed')
    await untilStatus(world.db, missing, 'stalled')
    let overview = await read<Overview>(api.url, '/v1/overview')
    await until('the worker has reported', async () => {
      overview = await read<Overview>(api.url, '/v1/overview')
      return overview.settledLastMinute === 2 && overview.nodes.length === 1 && overview.leader !== null
    })
    expect(overview).toMatchObject({
      chain: 'kaia',
      open: { pending: 0, overdue: 0, stalled: 1, parked: 0 },
      webhooks: { enabled: 0, disabled: 0, failing: 0, deliveriesWaiting: 0 },
      nodes: [{ lagBlocks: 0, problem: null }],
    })
    expect(overview.processes.map(({ role }) => role).toSorted()).toEqual(['api', 'worker'])
    const leader = overview.processes.find(({ id }) => id === overview.leader?.processId)
    expect(leader?.role).toBe('worker')
    expect(overview.queues.map(({ role }) => role)).toContain('wait')
    expect(overview.queues.filter(({ role }) => role === 'parked')).toHaveLength(1)
    const { minutes } = await read<Activity>(api.url, '/v1/activity?minutes=5')
    expect(minutes).toHaveLength(5)
    const sum = (of: (minute: Activity['minutes'][number]) => number | undefined) =>
      minutes.reduce((total, minute) => total + (of(minute) ?? 0), 0)
    await until('all is counted', async () => {
      const { minutes: now } = await read<Activity>(api.url, '/v1/activity?minutes=5')
      minutes.splice(0, minutes.length, ...now)
      return sum(({ settled }) => settled['stalled']) === 1
    })
    expect(sum(({ settled }) => settled['confirmed'])).toBe(1)
    expect(sum(({ settled }) => settled['failed'])).toBe(1)
    expect(sum(({ retries }) => retries['receipt-absent'])).toBeGreaterThanOrEqual(2)
    expect(minutes.some(({ latencyMs }) => latencyMs !== null && latencyMs.p99 >= latencyMs.p50)).toBe(true)
    await worker.stop()
    const after = await read<Overview>(api.url, '/v1/overview')
    expect(after.processes.map(({ role }) => role)).toEqual(['api'])
    expect(after.leader).toBeNull()
  })

  it('a node that does not answer is shown with why', async () => {
    const api = await world.start('api')
    world.node.fault = () => ({ kind: 'error', code: -32_000, message: 'out of order' })
    await world.start('worker')
    await until('it is shown', async () => {
      const { nodes } = await read<Overview>(api.url, '/v1/overview')
      return nodes[0]?.problem?.includes('out of order') ?? false
    })
  })
})
