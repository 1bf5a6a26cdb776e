import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { NodeState } from '../../src/domain/process.ts'
import { createMetrics, type DatabaseGauges, type GaugeSources } from '../../src/observe/metrics.ts'

const DATABASE: DatabaseGauges = {
  openTransactions: { pending: 3 },
  oldestPendingAgeSeconds: 12.5,
  unsentEvents: { exchange: 1 },
  oldestUnsentEventAgeSeconds: { exchange: 2 },
  webhooks: { failing: 1 },
  followedBlockNumber: 7,
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function metricsOf(changes: Partial<GaugeSources> = {}) {
  return createMetrics(
    { version: '1.2.3', role: 'worker', chain: 'kaia' },
    {
      readDatabase: async () => DATABASE,
      queueDepths: async () => ({ due: 4 }),
      isConsuming: () => true,
      ...changes,
    },
  )
}

/** The lines with values of ours. */
async function scrape({ render }: ReturnType<typeof createMetrics>): Promise<string[]> {
  const rendering = render()
  await vi.advanceTimersByTimeAsync(5_000)
  return (await rendering).split('\n').filter((line) => line.startsWith('confirmd_'))
}

it('shows what the database, the queue and the process say', async () => {
  expect(await scrape(metricsOf())).toEqual(
    expect.arrayContaining([
      'confirmd_build_info{version="1.2.3",role="worker",chain="kaia"} 1',
      'confirmd_database_up 1',
      'confirmd_consuming 1',
      'confirmd_open_transactions{state="pending"} 3',
      'confirmd_oldest_pending_age_seconds 12.5',
      'confirmd_followed_block_number 7',
      'confirmd_queued_messages{queue="due"} 4',
    ]),
  )
})

it.each([
  ['fails', () => Promise.reject(new Error('away'))],
  ['hangs', () => new Promise<never>(() => undefined)],
])('a database that %s is shown as down, and takes nothing else along', async (_, readDatabase) => {
  let read: GaugeSources['readDatabase'] = async () => DATABASE
  const metrics = metricsOf({ readDatabase: () => read() })
  await scrape(metrics)
  read = readDatabase
  const lines = await scrape(metrics)
  expect(lines).toContain('confirmd_database_up 0')
  expect(lines).toContain('confirmd_queued_messages{queue="due"} 4')
  expect(lines).toContain('confirmd_transitions_total{status="confirmed"} 0')
  const text = lines.join('\n')
  expect(text).not.toMatch(/confirmd_(open_transactions|oldest|followed_block|unsent|webhooks)/)
})

it('says nothing of the lead where blocks are not followed, and then who has it', async () => {
  const metrics = metricsOf()
  expect((await scrape(metrics)).join('\n')).not.toContain('confirmd_leading')
  metrics.led(true)
  expect(await scrape(metrics)).toContain('confirmd_leading 1')
  metrics.led(false)
  expect(await scrape(metrics)).toContain('confirmd_leading 0')
})

it('tells a node that is behind from one that does not answer', async () => {
  const metrics = metricsOf()
  const at = (agoMs: number) => new Date(Date.now() - agoMs).toISOString()
  const nodes: NodeState[] = [
    { name: 'good', headNumber: 50, headAt: at(1_000), seenAt: at(0), problem: null },
    { name: 'behind', headNumber: 40, headAt: at(11_000), seenAt: at(0), problem: 'behind' },
    { name: 'silent', headNumber: 45, headAt: at(90_000), seenAt: at(60_000), problem: 'timeout' },
    { name: 'never', headNumber: null, headAt: null, seenAt: null, problem: 'network' },
  ]
  metrics.sawNodes(nodes)
  const lines = (await scrape(metrics)).filter((line) => line.includes('node='))
  expect(lines.sort()).toEqual([
    'confirmd_rpc_head_age_seconds{node="behind"} 11',
    'confirmd_rpc_head_age_seconds{node="good"} 1',
    'confirmd_rpc_head_block_number{node="behind"} 40',
    'confirmd_rpc_head_block_number{node="good"} 50',
    'confirmd_rpc_head_block_number{node="silent"} 45',
    'confirmd_rpc_lag_blocks{node="behind"} 10',
    'confirmd_rpc_lag_blocks{node="good"} 0',
    'confirmd_rpc_up{node="behind"} 0',
    'confirmd_rpc_up{node="good"} 1',
    'confirmd_rpc_up{node="never"} 0',
    'confirmd_rpc_up{node="silent"} 0',
  ])
})
