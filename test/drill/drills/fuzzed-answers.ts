import type { Drill } from '../drill.ts'
import { startFleet } from '../fleet.ts'
import { rpcUrlsOf, startPartsOfEitherQueue } from '../parts.ts'
import { demand, pollUntil } from '../poll.ts'
import { watchProgress } from '../progress-watch.ts'
import { createRegistrar } from '../registrar.ts'
import { areReady } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const NODES = 3
/** Of the answers about a transaction at the one node that errs about it, and of those about blocks at one at a time. */
const SHARE = 0.4
/** Some have their verdict before a wrong answer about them was given. */
const REGISTERED_PER_RUN = 4
/** As long as they may be included after their registration. */
const MAX_DELAY_MS = 12_000
const FAULTS_AT_MOST_MS = 240_000
/** Different places and ways in which answers were wrong, at full size. */
const LEAST_WAYS = 300

/** Real answers with one field, or one whole answer, changed, at one of three nodes; a run is a transaction that met one. */
export const fuzzedAnswers: Drill = {
  number: 26,
  title: 'answers mutated field by field, at one of three nodes for each transaction',
  queues: ['rabbitmq', 'table'],
  breakage: 'all three nodes show the opposite outcome of one transaction in 16',
  run: async (context) => {
    const { broken, ledger, lifecycle, n, say, scaled, tally } = context
    const contrary = broken ? (txHash: string) => txHash.endsWith('0') : () => false
    const parts = await startPartsOfEitherQueue(context, { nodes: NODES, contrary })
    const { chain, db, environment, nodes } = parts
    const apis = await startFleet(context, 'api', environment, { size: 1 })
    for (let first = 0; first < NODES; first++) {
      const worker = await startFleet(
        context,
        'worker',
        { ...environment, RPC_URLS: rpcUrlsOf(nodes, first) },
        { size: 1 },
      )
      await demand('the worker consumes', () => areReady(worker))
    }
    const registrar = createRegistrar(chain, apis.url)
    lifecycle.add('registrar', registrar.close)
    const watch = watchProgress({ db, chainHead: chain.head })
    lifecycle.add('progress watch', async () => void (await watch.stop()))
    for (const [index, node] of nodes.entries()) node.faults = { fuzz: { share: SHARE, index, of: NODES } }

    const runs = new Set<string>()
    const ways = new Map<string, number>()
    for (const node of nodes) {
      node.onFuzzed = (about, way) => {
        if (about !== null) runs.add(about)
        ways.set(way, (ways.get(way) ?? 0) + 1)
      }
    }
    await registrar.register(ledger.make(Math.ceil(n * REGISTERED_PER_RUN), { maxDelayMs: MAX_DELAY_MS }))
    await pollUntil(async () => runs.size >= n, { timeoutMs: FAULTS_AT_MOST_MS, intervalMs: 250 })
    for (const node of nodes) node.faults = {}
    const answers = [...ways.values()].reduce((sum, count) => sum + count, 0)
    say(`${answers} answers were wrong, in ${ways.size} ways, about ${runs.size} transactions`)
    const finding = await settleAndJudge(context, parts)
    const leastWays = scaled(LEAST_WAYS, 20)
    return {
      ...finding,
      conditions: [
        ...finding.conditions,
        ...(await watch.stop()),
        { text: `${runs.size} transactions met a wrong answer, at least ${n}`, passed: runs.size >= n },
        {
          text: `answers were wrong in ${ways.size} ways, at least ${leastWays}`,
          passed: ways.size >= leastWays,
        },
        { text: `no process crashed (${tally.crashes})`, passed: tally.crashes === 0 },
      ],
    }
  },
}
