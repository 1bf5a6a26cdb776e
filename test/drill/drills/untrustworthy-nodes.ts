import { setTimeout as sleep } from 'node:timers/promises'
import { BATCH_REFUSALS } from '../batch-refusals.ts'
import type { Condition, Drill, DrillContext } from '../drill.ts'
import { NODE_FAULTS, type NodeFault } from '../fault-counts.ts'
import { startFaultTurns } from '../fault-turns.ts'
import { startFleet } from '../fleet.ts'
import type { Entry } from '../ledger.ts'
import type { DrillNode } from '../node.ts'
import { rpcUrlsOf, startPartsOfEitherQueue } from '../parts.ts'
import { demand, pollUntil } from '../poll.ts'
import { watchProgress } from '../progress-watch.ts'
import { shuffled } from '../random.ts'
import { createRegistrar, type Registrar } from '../registrar.ts'
import { areReady } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'
import { UNSTORABLE_VARIANTS } from '../unstorable.ts'

const NODES = 3
/** Answers with each fault. */
const LEAST_MET = 100
/** One in 100. */
const REPLACED = 100
/** Registered in bursts, so that the nodes are asked in batches. */
const BURSTS = 40
const QUICK_BURSTS = 10
const BURST_INTERVAL_MS = 5_000
const QUICK_BURST_INTERVAL_MS = 1_000
/** The faults go on until each was met often enough, but not for longer than this. */
const FAULTS_AT_MOST_MS = 480_000
const QUICK_FAULTS_AT_MOST_MS = 100_000

/** Three nodes, of which one at a time gives wrong answers of every kind. */
export const untrustworthyNodes: Drill = {
  number: 20,
  title:
    'three nodes, one at a time answering about other transactions and chains, with old and future heads, refusing batches, failing methods, sending text that cannot be stored',
  queues: ['rabbitmq', 'table'],
  breakage: 'all three nodes show the opposite outcome of one transaction in 16',
  run: async (context) => {
    const { broken, ledger, lifecycle, n, quick, random, scaled, say, tally } = context
    const contrary = broken ? (txHash: string) => txHash.endsWith('0') : () => false
    const parts = await startPartsOfEitherQueue(context, { nodes: NODES, contrary })
    const { chain, db, environment, nodes } = parts
    const apis = await startFleet(context, 'api', environment, { size: 1 })
    // Each worker prefers another node: the others it asks only where that one fails, or for absence.
    for (let first = 0; first < NODES; first++) {
      const preferring = { ...environment, RPC_URLS: rpcUrlsOf(nodes, first) }
      const worker = await startFleet(context, 'worker', preferring, { size: 1 })
      await demand('the worker consumes', () => areReady(worker))
    }
    const registrar = createRegistrar(chain, apis.url)
    lifecycle.add('registrar', registrar.close)

    const watch = watchProgress({ db, chainHead: chain.head })
    lifecycle.add('progress watch', async () => void (await watch.stop()))
    const turns = startFaultTurns(context, nodes)
    lifecycle.add('fault turns', async () => void (await turns.stop()))
    const startedAt = Date.now()
    const replaced = ledger.make(scaled(REPLACED, 1), { replaced: 1, failed: 0, absent: 0 })
    const entries = shuffled(random('order'), [...replaced, ...ledger.make(n - replaced.length)])
    await registerInBursts(registrar, entries, quick)
    const atMostMs = quick ? QUICK_FAULTS_AT_MOST_MS : FAULTS_AT_MOST_MS
    await pollUntil(() => judgeMet(context, nodes).every(({ passed }) => passed), {
      timeoutMs: Math.max(0, startedAt + atMostMs - Date.now()),
      intervalMs: 500,
    })
    const turnCount = await turns.stop()
    const met = judgeMet(context, nodes)
    say(`the faults end after ${turnCount} turns and ${Date.now() - startedAt} ms`)
    const finding = await settleAndJudge(context, parts, { conditions: met })
    return {
      ...finding,
      conditions: [
        ...finding.conditions,
        ...(await watch.stop()),
        { text: `no process crashed (${tally.crashes})`, passed: tally.crashes === 0 },
      ],
    }
  },
}

async function registerInBursts(
  registrar: Registrar,
  entries: readonly Entry[],
  quick: boolean,
): Promise<void> {
  const size = Math.ceil(entries.length / (quick ? QUICK_BURSTS : BURSTS))
  for (let from = 0; from < entries.length; from += size) {
    const interval = sleep(quick ? QUICK_BURST_INTERVAL_MS : BURST_INTERVAL_MS)
    await Promise.all([registrar.register(entries.slice(from, from + size)), interval])
  }
}

/** Number of variants of a fault that must all be met at full size. */
const VARIANTS: Partial<Record<NodeFault, number>> = {
  'refused batch': BATCH_REFUSALS.length,
  'text that cannot be stored': UNSTORABLE_VARIANTS,
}

function judgeMet({ scaled }: Pick<DrillContext, 'scaled'>, nodes: readonly DrillNode[]): Condition[] {
  const least = scaled(LEAST_MET, 1)
  return NODE_FAULTS.map((fault) => {
    const total = nodes.reduce((sum, { counts }) => sum + counts.total(fault), 0)
    const variants = sumOfVariants(fault, nodes)
    const details = [...variants].map(([name, count]) => `${name} ${count}`).join(', ')
    const isVaried = variants.size >= scaled(VARIANTS[fault] ?? 1, 1)
    return {
      text: `${fault}: ${total} answers, at least ${least} (${details || 'none'})`,
      passed: total >= least && isVaried,
    }
  })
}

function sumOfVariants(fault: NodeFault, nodes: readonly DrillNode[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const { counts } of nodes) {
    for (const [name, count] of counts.variants(fault)) sums.set(name, (sums.get(name) ?? 0) + count)
  }
  return sums
}
