import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { NodeState } from '../domain/process.ts'
import type { Transaction } from '../domain/transaction.ts'
import { COUNTERS, GAUGES, HISTOGRAMS, type MetricDefinition } from './metric-definitions.ts'

/** What runs, for `confirmd_build_info`. */
export interface MeasuredProcess {
  readonly version: string
  readonly role: 'start' | 'api' | 'worker'
  readonly chain: string
}

/** What the database knows at the moment, for the gauges that are the same at every process. */
export interface DatabaseGauges {
  readonly openTransactions: Readonly<Record<string, number>>
  readonly oldestPendingAgeSeconds: number
  /** By what they wait for. */
  readonly unsentEvents: Readonly<Record<string, number>>
  readonly oldestUnsentEventAgeSeconds: Readonly<Record<string, number>>
  readonly webhooks: Readonly<Record<string, number>>
  readonly followedBlockNumber: number | null
}

/** What is asked at each scrape; a source that fails, or takes too long, leaves its gauges out. */
export interface GaugeSources {
  readonly readDatabase: () => Promise<DatabaseGauges>
  /** Messages by queue. */
  readonly queueDepths: () => Promise<Readonly<Record<string, number>>>
  readonly isConsuming: () => boolean
}

export type Metrics = ReturnType<typeof createMetrics>

/** Well within the 10 s that Prometheus waits by default. */
const SAMPLE_TIMEOUT_MS = 5_000
/** The nodes are asked every few seconds; one that was not heard of for so long did not answer. */
const HEARD_OF_MS = 15_000

/** The metrics of one process. Counted after the commit, so that a counter never runs ahead of the database. */
export function createMetrics(running: MeasuredProcess, sources: GaugeSources) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })

  const counters = mapValues(COUNTERS, (definition) => new Counter(optionsOf(definition)))
  const histograms = mapValues(
    HISTOGRAMS,
    (definition) => new Histogram({ ...optionsOf(definition), buckets: [...definition.buckets] }),
  )
  const gauges = mapValues(GAUGES, (definition) => new Gauge(optionsOf(definition)))
  for (const name of namesOf(COUNTERS)) startAtZero(COUNTERS[name], counters[name])
  gauges.buildInfo.set({ ...running }, 1)
  // Until it is known whether the process may follow the blocks at all.
  gauges.leading.remove()
  let nodes: readonly NodeState[] = []

  /** What only workers have is not shown elsewhere: a 0 there would say something untrue. */
  function optionsOf({ name, help, source, labels = {} }: MetricDefinition) {
    const isShown = source !== 'worker' || running.role !== 'api'
    return { name, help, labelNames: Object.keys(labels), registers: isShown ? [registry] : [] }
  }

  async function sample(): Promise<void> {
    const [database, depths] = await Promise.all([
      inTime(sources.readDatabase()),
      inTime(sources.queueDepths()),
    ])
    gauges.databaseUp.set(database ? 1 : 0)
    gauges.consuming.set(sources.isConsuming() ? 1 : 0)
    setEach(gauges.queuedMessages, 'queue', depths ?? {})
    setEach(gauges.openTransactions, 'state', database?.openTransactions ?? {})
    setEach(gauges.unsentEvents, 'to', database?.unsentEvents ?? {})
    setEach(gauges.oldestUnsentAge, 'to', database?.oldestUnsentEventAgeSeconds ?? {})
    setEach(gauges.webhooks, 'state', database?.webhooks ?? {})
    setOrLeaveOut(gauges.oldestPendingAge, database?.oldestPendingAgeSeconds)
    setOrLeaveOut(gauges.followedBlock, database?.followedBlockNumber)
    setNodes()
  }

  function setNodes(): void {
    const nowMs = Date.now()
    const best = Math.max(0, ...nodes.map(({ headNumber }) => headNumber ?? 0))
    const isHeardOf = ({ seenAt }: NodeState) => seenAt !== null && nowMs - Date.parse(seenAt) < HEARD_OF_MS
    for (const gauge of [gauges.rpcUp, gauges.rpcHead, gauges.rpcLag, gauges.rpcHeadAge]) gauge.reset()
    for (const state of nodes) {
      const { name: node, headNumber, headAt, problem } = state
      gauges.rpcUp.set({ node }, problem === null ? 1 : 0)
      if (headNumber === null || headAt === null) continue
      gauges.rpcHead.set({ node }, headNumber)
      if (!isHeardOf(state)) continue
      gauges.rpcLag.set({ node }, best - headNumber)
      gauges.rpcHeadAge.set({ node }, Math.max(0, nowMs - Date.parse(headAt)) / 1000)
    }
  }

  return {
    contentType: registry.contentType,
    render: async () => {
      await sample()
      return registry.metrics()
    },
    checked: (outcome: string) => counters.checks.inc({ outcome }),
    retried: (reason: string) => counters.retries.inc({ reason }),
    settled: ({ status, createdAt, settledAt }: Transaction) => {
      counters.transitions.inc({ status })
      histograms.settleLatency.observe(secondsBetween(createdAt, settledAt ?? new Date()))
    },
    stalled: () => counters.transitions.inc({ status: 'stalled' }),
    expired: () => counters.transitions.inc({ status: 'expired' }),
    /** The kinds whose business writes may fail: their counters are there before the first does. */
    handles: (kinds: Iterable<string>) => {
      for (const kind of kinds) counters.handlerFailures.inc({ kind }, 0)
    },
    handlerFailed: (kind: string) => counters.handlerFailures.inc({ kind }),
    parked: (reason: string) => counters.parked.inc({ reason }),
    refused: (reason: string) => counters.refused.inc({ reason }),
    republished: (count: number) => counters.republished.inc(count),
    followed: ({ timeMs }: { number: number; timeMs: number }, matches: number) => {
      histograms.followDelay.observe(secondsBetween(new Date(timeMs), new Date()))
      counters.followMatches.inc(matches)
    },
    skipped: (blocks: number) => counters.followSkipped.inc(blocks),
    announced: (events: readonly { createdAt: Date }[]) => {
      counters.announced.inc(events.length)
      const now = new Date()
      for (const { createdAt } of events) histograms.announceDelay.observe(secondsBetween(createdAt, now))
    },
    attempted: (delivery: string) => counters.webhookAttempts.inc({ delivery }),
    rpcCalled: (call: { node: string; method: string; error: { code: string } | null }) => {
      const { node, method, error } = call
      counters.rpcCalls.inc({ node, method })
      if (error) counters.rpcErrors.inc({ node, method, code: error.code })
    },
    /** The nodes as they were just seen. */
    sawNodes: (seen: readonly NodeState[]) => {
      nodes = seen
    },
    /** Whether the process follows the blocks. */
    led: (leads: boolean) => gauges.leading.set(leads ? 1 : 0),
  }
}

/** A counter that appears with its first count has no increase then, and an alert on it would come too late. */
function startAtZero({ labels = {} }: MetricDefinition, counter: Counter): void {
  const [[label, values] = ['', ''], ...others] = Object.entries(labels)
  if (others.length > 0 || typeof values === 'string') return
  for (const value of values) counter.inc({ [label]: value }, 0)
}

function setEach(gauge: Gauge, label: string, values: Readonly<Record<string, number>>): void {
  gauge.reset()
  for (const [key, value] of Object.entries(values)) gauge.set({ [label]: key }, value)
}

function setOrLeaveOut(gauge: Gauge, value: number | null | undefined): void {
  // Without a label, `reset` would set it to 0.
  if (value === null || value === undefined) gauge.remove()
  else gauge.set(value)
}

function secondsBetween(from: Date, to: Date): number {
  return Math.max(0, to.getTime() - from.getTime()) / 1000
}

/** Null if it fails or takes too long: a database that hangs must not take the other metrics along. */
async function inTime<T>(sampling: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), SAMPLE_TIMEOUT_MS)
  })
  try {
    return await Promise.race([sampling.catch(() => null), late])
  } finally {
    clearTimeout(timer)
  }
}

function namesOf<T extends object>(definitions: T): (keyof T)[] {
  return Object.keys(definitions) as (keyof T)[]
}

function mapValues<K extends string, D, M>(
  definitions: Readonly<Record<K, D>>,
  make: (definition: D) => M,
): Readonly<Record<K, M>> {
  const made = namesOf(definitions).map((name) => [name, make(definitions[name])])
  return Object.fromEntries(made) as Record<K, M>
}
