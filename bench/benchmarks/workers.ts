import type { Lifecycle } from '../../src/lifecycle.ts'
import type { Benchmark, Figures, Variant } from '../benchmark.ts'
import { createPoster, startReplayChain } from '../chains.ts'
import { countSettled, startConfirmd } from '../confirmd.ts'
import { sendLoad } from '../load.ts'
import type { Parts } from '../parts.ts'
import { watchSettled } from '../settled.ts'

const TRANSACTIONS = 6_000
const DELAY_MS = 20
/** Few in hand, so that a worker waits for the node and not for a processor. */
const PREFETCH = 20
const TIMEOUT_MS = 300_000
const COUNTS = [1, 2, 4]

const titleOf = (workers: number) => `${workers} worker${workers === 1 ? '' : 's'}`

export const workers: Benchmark = {
  name: 'workers',
  method: `${TRANSACTIONS} transactions that are on the chain already, checked by so many worker processes at a replay node that answers after ${DELAY_MS} ms, with a prefetch of ${PREFETCH} so that waiting dominates, and by the queue alone. Transactions a second, from the start of the looks to the last commit.`,
  aims: (median) => {
    const times = median(titleOf(4), 'tx/s') / median(titleOf(1), 'tx/s')
    return [{ text: `4 workers at least 2× one (${times.toFixed(2)}×)`, reached: times >= 2 }]
  },
  variants: async ({ smoke, parts }) => {
    return COUNTS.map(
      (count): Variant => ({
        name: titleOf(count),
        run: (each) => drive(each, parts, count, smoke ? 100 : TRANSACTIONS),
      }),
    )
  },
}

async function drive(
  lifecycle: Lifecycle,
  parts: Parts,
  count: number,
  transactions: number,
): Promise<Figures> {
  const chain = await startReplayChain(lifecycle)
  await chain.delay(DELAY_MS)
  const settings = { FOLLOW_BLOCKS: 'off', WORKER_PREFETCH: String(PREFETCH) }
  const { apiUrl, db } = await startConfirmd(lifecycle, parts, {
    nodeUrl: chain.url,
    workers: count,
    settings,
  })
  const watch = watchSettled(() => countSettled(db))
  lifecycle.add('watch', watch.stop)
  const startedAt = Date.now()
  await sendLoad(createPoster(lifecycle), chain, apiUrl, {
    count: transactions,
    size: 500,
    perSecond: null,
    concurrency: 4,
    kind: 'plain',
  })
  await watch.until(transactions, TIMEOUT_MS)
  return { 'tx/s': (transactions * 1_000) / (Date.now() - startedAt) }
}
