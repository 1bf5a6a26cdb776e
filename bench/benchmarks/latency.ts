import type { Lifecycle } from '../../src/lifecycle.ts'
import { type Benchmark, type Figures, percentile, type Variant } from '../benchmark.ts'
import { createPoster, startRealChain, startReplayChain } from '../chains.ts'
import { sendLoad } from '../load.ts'
import type { Parts } from '../parts.ts'
import { watchSettled } from '../settled.ts'
import { startTarget, TARGET_TITLES, type TargetName } from '../target.ts'

const SECONDS = 20
const TIMEOUT_MS = 240_000
/** The development chain takes about 1,400 transactions a block. */
const REAL_CHAIN_MOST = 1_000
/** The first seconds are not counted: what follows the chain has to learn its beat. */
const WARM_UP_MS = 10_000

const RATES: readonly { target: TargetName; perSecond: number }[] = [
  { target: 'confirmd', perSecond: 50 },
  { target: 'confirmd', perSecond: 500 },
  { target: 'confirmd', perSecond: 2_000 },
  { target: 'original-design', perSecond: 50 },
  { target: 'original-design', perSecond: 500 },
  { target: 'viem', perSecond: 50 },
  { target: 'viem', perSecond: 500 },
]

const titleOf = (target: TargetName, perSecond: number) => `${TARGET_TITLES[target]}, ${perSecond} tx/s`

export const latency: Benchmark = {
  name: 'latency',
  method: `From the moment at which a receipt is readable at the node, or the registration is answered if that is later, until the row is committed; ms. ${SECONDS} s at each rate, sent and registered evenly, ${WARM_UP_MS / 1_000} s of warm-up before. The development chain up to ${REAL_CHAIN_MOST} tx/s, where a look every 5 ms sees when a block is readable; the replay node above. The peers can't keep up with 2,000 tx/s and are not asked to.`,
  aims: (median) => {
    const at = titleOf('confirmd', 500)
    const [p50, p99] = [median(at, 'p50 ms'), median(at, 'p99 ms')]
    return [
      { text: `p50 at most 50 ms at 500 tx/s (${Math.round(p50)})`, reached: p50 <= 50 },
      { text: `p99 at most 250 ms at 500 tx/s (${Math.round(p99)})`, reached: p99 <= 250 },
    ]
  },
  variants: async ({ smoke, parts }) => {
    const rates = smoke ? RATES.filter(({ perSecond }) => perSecond === 50) : RATES
    return rates.map(
      ({ target, perSecond }): Variant => ({
        name: titleOf(target, perSecond),
        run: (each) => drive(each, parts, target, perSecond, smoke),
      }),
    )
  },
}

async function drive(
  lifecycle: Lifecycle,
  parts: Parts,
  name: TargetName,
  perSecond: number,
  smoke: boolean,
): Promise<Figures> {
  const start = perSecond > REAL_CHAIN_MOST ? startReplayChain : startRealChain
  const chain = await start(lifecycle)
  const target = await startTarget(lifecycle, parts, name, chain.url)
  const warmUpMs = smoke ? 0 : WARM_UP_MS
  const count = perSecond * (smoke ? 1 : SECONDS + warmUpMs / 1_000)
  // Small requests, evenly: a backend registers what its own users send.
  const size = Math.max(1, Math.round(perSecond / 100))
  const watch = watchSettled(target.countSettled)
  lifecycle.add('watch', watch.stop)
  const startedAt = Date.now()
  const registered = await sendLoad(createPoster(lifecycle), chain, target.apiUrl, {
    ...{ count, size, perSecond },
    concurrency: 32,
    kind: 'plain',
  })
  await watch.until(count, TIMEOUT_MS)
  const settled = await target.readSettledAt()
  const latencies = [...registered]
    .filter(([, registeredAtMs]) => registeredAtMs - startedAt >= warmUpMs)
    .map(([txHash, registeredAtMs]) => {
      const readableAtMs = Math.max(registeredAtMs, chain.readableAtMs(txHash) ?? registeredAtMs)
      // Committed before the answer to the registration was read: no time at all.
      const settledAtMs = settled.get(txHash)
      if (!settledAtMs)
        throw new Error(`${txHash} was not settled: ${target.apiUrl}/v1/transactions?txHash=${txHash}`)
      return Math.max(0, settledAtMs - readableAtMs)
    })
    .toSorted((a, b) => a - b)
  return {
    'p50 ms': percentile(latencies, 0.5),
    'p95 ms': percentile(latencies, 0.95),
    'p99 ms': percentile(latencies, 0.99),
  }
}
