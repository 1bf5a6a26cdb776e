import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { type Hear, hearAtWebhook, hearInStream, hearOnExchange } from '../../src/dev/hearers.ts'
import type { Lifecycle } from '../../src/lifecycle.ts'
import { type Benchmark, type Figures, percentile, type Variant } from '../benchmark.ts'
import { createPoster, startReplayChain } from '../chains.ts'
import { countSettled, startConfirmd } from '../confirmd.ts'
import { sendLoad } from '../load.ts'
import type { Parts } from '../parts.ts'
import { watchSettled } from '../settled.ts'

const PER_SECOND = 500
const SECONDS = 20
/** As in `latency`: the first seconds are not counted. */
const WARM_UP_MS = 10_000
const FULL_SPEED = 40_000
const MOST_OPEN = 8_000
const TIMEOUT_MS = 120_000

const EXCHANGE = 'on the exchange'
const AT_FULL_SPEED = 'on the exchange, at full speed'

export const events: Benchmark = {
  name: 'events',
  method: `From the commit of the verdict (by PostgreSQL's track_commit_timestamp) until the event is with whoever waits for it; ms. ${PER_SECOND} tx/s for ${SECONDS} s, after ${WARM_UP_MS / 1_000} s of warm-up, at the replay node, one API and one worker; and ${FULL_SPEED} transactions as fast as they are taken: those settled, and those heard of on the exchange, in a second.`,
  aims: (median) => {
    const p99 = median(EXCHANGE, 'p99 ms')
    const [settled, heard] = [median(AT_FULL_SPEED, 'settled/s'), median(AT_FULL_SPEED, 'heard/s')]
    return [
      {
        text: `p99 on the exchange at most 100 ms at ${PER_SECOND} tx/s (${Math.round(p99)})`,
        reached: p99 <= 100,
      },
      {
        text: `announced at the rate at which they are settled (${Math.round((100 * heard) / settled)} %)`,
        reached: heard >= 0.95 * settled,
      },
    ]
  },
  variants: async ({ smoke, parts }) => {
    const seconds = SECONDS + WARM_UP_MS / 1_000
    const steady = smoke
      ? { count: 100, perSecond: PER_SECOND, size: 5, warmUpMs: 0 }
      : { count: PER_SECOND * seconds, perSecond: PER_SECOND, size: 5, warmUpMs: WARM_UP_MS }
    const fast = { count: smoke ? 500 : FULL_SPEED, perSecond: null, size: 500, warmUpMs: 0 }
    const variant = (name: string, way: Way, load: Load): Variant => ({
      name,
      run: (each) => drive(each, parts, way, load),
    })
    return [
      variant(EXCHANGE, hearOnExchange, steady),
      variant('at a webhook', hearAtWebhook, steady),
      variant('in the stream', hearInStream, steady),
      variant(AT_FULL_SPEED, hearOnExchange, fast),
    ]
  },
}

/** How an outcome reaches whoever waits for it. */
type Way = (
  lifecycle: Lifecycle,
  from: { apiUrl: string; amqpUrl: string; prefix: string },
  hear: Hear,
) => Promise<void>

interface Load {
  readonly count: number
  readonly perSecond: number | null
  readonly size: number
  /** What is committed so soon after the start is not counted in the latencies. */
  readonly warmUpMs: number
}

let runs = 0

async function drive(
  lifecycle: Lifecycle,
  parts: Parts,
  way: Way,
  { count, perSecond, size, warmUpMs }: Load,
): Promise<Figures> {
  const chain = await startReplayChain(lifecycle)
  const prefix = `E${process.pid}-${++runs}`
  // In development, so that a webhook may be on this machine.
  const settings = { AMQP_PREFIX: prefix, NODE_ENV: 'development' }
  const confirmd = await startConfirmd(lifecycle, parts, { nodeUrl: chain.url, settings })
  const heardAtMs = new Map<string, number>()
  const from = { apiUrl: confirmd.apiUrl, amqpUrl: parts.rabbitmq.url, prefix }
  await way(lifecycle, from, ({ data }) => {
    if (!heardAtMs.has(data.id)) heardAtMs.set(data.id, Date.now())
  })
  const watch = watchSettled(() => countSettled(confirmd.db))
  lifecycle.add('watch', watch.stop)
  const startedAt = Date.now()
  await sendLoad(createPoster(lifecycle), chain, confirmd.apiUrl, {
    ...{ count, size, perSecond, kind: 'plain' },
    concurrency: perSecond === null ? 8 : 32,
    ...(perSecond === null ? { open: { most: MOST_OPEN, settled: watch.settled } } : {}),
  })
  await watch.until(count, TIMEOUT_MS)
  const settledMs = Date.now() - startedAt
  const deadline = Date.now() + TIMEOUT_MS
  while (heardAtMs.size < count) {
    if (Date.now() > deadline) throw new Error(`${heardAtMs.size} of ${count} events were heard`)
    await sleep(5)
  }
  const heardMs = Date.now() - startedAt
  const committedAtMs = await readCommittedAt(confirmd.db)
  const sorted = [...heardAtMs]
    .map(([id, heardAt]) => ({ heardAt, committedAt: committedAtMs.get(id) ?? Number.NaN }))
    .filter(({ committedAt }) => committedAt >= startedAt + warmUpMs)
    .map(({ heardAt, committedAt }) => heardAt - committedAt)
    .toSorted((a, b) => a - b)
  return {
    'p50 ms': percentile(sorted, 0.5),
    'p95 ms': percentile(sorted, 0.95),
    'p99 ms': percentile(sorted, 0.99),
    'settled/s': (count * 1_000) / settledMs,
    'heard/s': (count * 1_000) / heardMs,
  }
}

/** When the last change of each transaction's row, its verdict, was committed; Unix time in ms. */
async function readCommittedAt(db: Knex): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.raw<{ rows: { id: string; at: Date }[] }>(
    'SELECT id, pg_xact_commit_timestamp(xmin) AS at FROM confirmd.transaction_history',
  )
  return new Map(rows.map(({ id, at }) => [id, at.getTime()]))
}
