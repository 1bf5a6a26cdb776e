import type { Lifecycle } from '../../src/lifecycle.ts'
import type { Benchmark, Figures, Variant } from '../benchmark.ts'
import { createPoster, startReplayChain } from '../chains.ts'
import { sendLoad } from '../load.ts'
import type { Parts } from '../parts.ts'
import { brokerLimit, databaseLimit } from '../raw-limits.ts'
import { watchSettled } from '../settled.ts'
import { startTarget, TARGET_TITLES, type TargetName } from '../target.ts'

const TRANSACTIONS = 80_000
/** With a business write, or one in a request: slower, so fewer are enough to tell. */
const SLOWER_TRANSACTIONS = 20_000
/** The peers settle some hundred in a second. */
const PEER_TRANSACTIONS = 3_000
const IN_ONE_REQUEST = 500
const CONCURRENCY = 8
/** Registered and not settled: more would only wait. */
const MOST_OPEN = 8_000
const TIMEOUT_MS = 300_000

const CONFIRMD = TARGET_TITLES.confirmd
const ORIGINAL = TARGET_TITLES['original-design']

export const throughput: Benchmark = {
  name: 'throughput',
  method: `${TRANSACTIONS} transactions (${SLOWER_TRANSACTIONS} with a business write or one in a request), as fast as they are taken: registered over HTTP (${IN_ONE_REQUEST} in a request, where not said otherwise), looked up at a replay node with blocks of 1 s, committed. One API and one worker, each a process; broker, database, node and the load on the same machine. Transactions a second, from the first registration to the last commit. The peers get ${PEER_TRANSACTIONS}. The raw limits are of the same broker (publish with confirm, consume and ack, in one process) and of the same database (our own statements), with nothing else at work.`,
  aims: (median) => {
    const ours = median(CONFIRMD, 'tx/s')
    const times = ours / median(ORIGINAL, 'tx/s')
    return [
      { text: `at least 4,000 tx/s end to end (${Math.round(ours)})`, reached: ours >= 4_000 },
      { text: `at least 10× the original design (${times.toFixed(1)}×)`, reached: times >= 10 },
    ]
  },
  variants: async ({ smoke, parts }) => {
    const ours = smoke ? 200 : TRANSACTIONS
    const slower = smoke ? 200 : SLOWER_TRANSACTIONS
    const theirs = smoke ? 20 : PEER_TRANSACTIONS
    const run = (
      name: string,
      target: TargetName,
      load: { kind: string; size: number; count: number },
    ): Variant => ({ name, run: (each) => drive(each, parts, target, load) })
    const together = { kind: 'plain', size: IN_ONE_REQUEST }
    return [
      run(CONFIRMD, 'confirmd', { ...together, count: ours }),
      run(`${CONFIRMD}, with a business write`, 'confirmd', { ...together, kind: 'order', count: slower }),
      run(`${CONFIRMD}, one in a request`, 'confirmd', { ...together, size: 1, count: slower }),
      run(ORIGINAL, 'original-design', { ...together, count: theirs }),
      run(TARGET_TITLES.viem, 'viem', { ...together, count: theirs }),
      { name: 'raw limit of the broker', run: () => brokerLimit(parts.rabbitmq.url, ours) },
      { name: 'raw limit of the database', run: (each) => databaseLimit(each, parts, ours) },
    ]
  },
}

async function drive(
  lifecycle: Lifecycle,
  parts: Parts,
  name: TargetName,
  { kind, size, count }: { kind: string; size: number; count: number },
): Promise<Figures> {
  const chain = await startReplayChain(lifecycle)
  const target = await startTarget(lifecycle, parts, name, chain.url)
  const watch = watchSettled(target.countSettled)
  lifecycle.add('watch', watch.stop)
  const startedAt = Date.now()
  await sendLoad(createPoster(lifecycle), chain, target.apiUrl, {
    count,
    size,
    perSecond: null,
    concurrency: size === 1 ? 4 * CONCURRENCY : CONCURRENCY,
    kind,
    open: { most: MOST_OPEN, settled: watch.settled },
  })
  await watch.until(count, TIMEOUT_MS)
  return { 'tx/s': (count * 1_000) / (Date.now() - startedAt) }
}
