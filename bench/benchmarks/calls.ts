import { setTimeout as sleep } from 'node:timers/promises'
import type { Lifecycle } from '../../src/lifecycle.ts'
import type { Benchmark, Figures, Variant } from '../benchmark.ts'
import { createPoster, startRealChain } from '../chains.ts'
import { startCountingProxy } from '../counting-proxy.ts'
import { sendLoad } from '../load.ts'
import type { Parts } from '../parts.ts'
import { watchSettled } from '../settled.ts'
import { startTarget, TARGET_TITLES, type TargetName } from '../target.ts'

const BLOCKS = 15
const WARM_UP_BLOCKS = 10
const BLOCK_MS = 1_000
const TIMEOUT_MS = 120_000
const IN_A_BLOCK = [1, 10, 100, 1_000]
/** It would take minutes for each of them. */
const PEERS_MOST = 100

const titleOf = (target: TargetName, inABlock: number) => `${TARGET_TITLES[target]}, ${inABlock} a block`

export const calls: Benchmark = {
  name: 'calls',
  method: `The development chain through a proxy that counts. Each second so many transactions are sent to it and registered in one request, for ${BLOCKS} blocks, after ${WARM_UP_BLOCKS} with one transaction each; until all are settled. HTTP requests for each transaction, and the JSON-RPC calls in them (a batch is one request with many calls).`,
  aims: (median) => {
    const requests = median(titleOf('confirmd', 100), 'requests/tx')
    return [
      {
        text: `at most 0.05 calls a transaction at 100 a block (${requests.toFixed(3)})`,
        reached: requests <= 0.05,
      },
    ]
  },
  variants: async ({ smoke, parts }) => {
    const sizes = smoke ? [10] : IN_A_BLOCK
    return (['confirmd', 'original-design', 'viem'] as const).flatMap((target) =>
      sizes
        .filter((inABlock) => target === 'confirmd' || inABlock <= PEERS_MOST)
        .map(
          (inABlock): Variant => ({
            name: titleOf(target, inABlock),
            run: (each) => drive(each, parts, target, inABlock, smoke ? 2 : BLOCKS),
          }),
        ),
    )
  },
}

async function drive(
  lifecycle: Lifecycle,
  parts: Parts,
  name: TargetName,
  inABlock: number,
  blocks: number,
): Promise<Figures> {
  const chain = await startRealChain(lifecycle)
  const proxy = await startCountingProxy(lifecycle, chain.url)
  const target = await startTarget(lifecycle, parts, name, proxy.url)
  const post = createPoster(lifecycle)
  const watch = watchSettled(target.countSettled)
  lifecycle.add('watch', watch.stop)
  const load = { perSecond: null, concurrency: 1, kind: 'plain' }
  for (let block = 0; block < WARM_UP_BLOCKS; block++) {
    await sendLoad(post, chain, target.apiUrl, { ...load, count: 1, size: 1 })
    await sleep(BLOCK_MS)
  }
  await watch.until(WARM_UP_BLOCKS, TIMEOUT_MS)
  const before = { ...proxy.counts }
  for (let block = 0; block < blocks; block++) {
    const startedAt = Date.now()
    await sendLoad(post, chain, target.apiUrl, { ...load, count: inABlock, size: inABlock })
    await sleep(Math.max(0, startedAt + BLOCK_MS - Date.now()))
  }
  await watch.until(WARM_UP_BLOCKS + blocks * inABlock, TIMEOUT_MS)
  const { requests, calls: made } = proxy.counts
  return {
    'requests/tx': (requests - before.requests) / (blocks * inABlock),
    'calls/tx': (made - before.calls) / (blocks * inABlock),
  }
}
