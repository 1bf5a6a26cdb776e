import { type ActivityCount, lastMinute, lastMinutes, quantilesOf } from '../domain/activity.ts'
import type { Activity, Overview } from '../domain/overview.ts'
import type { SeenProcess } from '../domain/process.ts'

export interface OverviewDependencies {
  readonly store: {
    countOpen(): Promise<Overview['open']>
    countWebhooks(): Promise<{ working: number; failing: number; 'switched-off': number; disabled: number }>
    /** Of the exchange only where there is one. */
    countUnsent(
      exchange: { prefix: string; chain: string } | null,
    ): Promise<{ webhooks: number; exchange?: number }>
    listProcesses(): Promise<readonly SeenProcess[]>
    readActivity(since: Date): Promise<readonly ActivityCount[]>
  }
  /** Messages by queue name. */
  readonly queueDepths: () => Promise<Readonly<Record<string, number>>>
  /** Whom the events of the chain are told; null where there is no broker. */
  readonly exchange: { readonly prefix: string; readonly chain: string } | null
  readonly chain: string
  readonly version: string
  readonly clock: () => Date
}

export interface Overviews {
  /** How confirmd is doing now. */
  now(): Promise<Overview>
  /** What happened in each of the last minutes. */
  activity(minutes: number): Promise<Activity>
}

/** A verdict; stalled and expired are none. */
const VERDICTS = new Set(['confirmed', 'failed', 'replaced'])

export function createOverview(dependencies: OverviewDependencies): Overviews {
  const { store, queueDepths, exchange, chain, version, clock } = dependencies

  async function now(): Promise<Overview> {
    const at = clock()
    const [open, webhooks, processes, counts, depths, unsent] = await Promise.all([
      store.countOpen(),
      store.countWebhooks(),
      store.listProcesses(),
      store.readActivity(lastMinutes(at.getTime(), 2)[0] ?? at),
      queueDepths().catch(() => ({})),
      store.countUnsent(exchange),
    ])
    return {
      at: at.toISOString(),
      version,
      chain,
      open,
      settledLastMinute: lastMinute(at.getTime(), (minute) => sumOf(verdictsIn(counts, minute))),
      queues: Object.entries(depths).map(([name, messages]) => ({ name, messages, ...kindOfQueue(name) })),
      nodes: nodesOf(processes),
      processes: processes.map(({ id, role, host, pid, version: own, startedAt, seenAt }) => ({
        ...{ id, role, host, pid, version: own },
        startedAt: startedAt.toISOString(),
        seenAt: seenAt.toISOString(),
      })),
      leader: leaderOf(processes),
      webhooks: {
        enabled: webhooks.working + webhooks.failing,
        disabled: webhooks['switched-off'] + webhooks.disabled,
        failing: webhooks.failing,
        deliveriesWaiting: unsent.webhooks,
      },
      unsentEvents: unsent.exchange ?? 0,
    }
  }

  async function activity(minutes: number): Promise<Activity> {
    const wanted = lastMinutes(clock().getTime(), minutes)
    const [first] = wanted
    const byMinute = new Map<number, ActivityCount[]>()
    for (const each of first ? await store.readActivity(first) : []) {
      const time = each.minute.getTime()
      const own = byMinute.get(time) ?? []
      own.push(each)
      byMinute.set(time, own)
    }
    return {
      minutes: wanted.map((minute) => {
        const own = byMinute.get(minute.getTime()) ?? []
        const labelled = (measure: ActivityCount['measure']) =>
          new Map(own.filter((each) => each.measure === measure).map(({ label, count }) => [label, count]))
        return {
          at: minute.toISOString(),
          settled: Object.fromEntries(labelled('settled')),
          retries: Object.fromEntries(labelled('retries')),
          latencyMs: quantilesOf(labelled('latency')),
        }
      }),
    }
  }

  return { now, activity }
}

function verdictsIn(counts: readonly ActivityCount[], minute: Date): readonly ActivityCount[] {
  return counts.filter(
    (each) =>
      each.measure === 'settled' && VERDICTS.has(each.label) && each.minute.getTime() === minute.getTime(),
  )
}

function sumOf(counts: readonly ActivityCount[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0)
}

/** By the names of RabbitMQ's queues, or of the table's two parts. */
function kindOfQueue(name: string): Pick<Overview['queues'][number], 'role' | 'delayMs'> {
  if (name === 'waiting') return { role: 'wait', delayMs: null }
  const wait = /\.Q\.WAIT_CONFIRM_CHECK\.(\d+)$/.exec(name)
  if (wait) return { role: 'wait', delayMs: Number(wait[1]) }
  return { role: name.endsWith('.Q.PARKED') ? 'parked' : 'check', delayMs: null }
}

/** Of what the processes saw of each node the newest, in the order of the process that was heard of last. */
function nodesOf(processes: readonly SeenProcess[]): Overview['nodes'] {
  const newest = new Map<string, Overview['nodes'][number]>()
  for (const { state } of newestFirst(processes)) {
    // Heads of one report only: those of two were seen some seconds apart.
    const best = Math.max(0, ...state.nodes.map(({ headNumber }) => headNumber ?? 0))
    for (const node of state.nodes) {
      const lagBlocks = node.headNumber === null ? null : best - node.headNumber
      if (!newest.has(node.name)) newest.set(node.name, { ...node, lagBlocks })
    }
  }
  return [...newest.values()]
}

function leaderOf(processes: readonly SeenProcess[]): Overview['leader'] {
  const leader = newestFirst(processes).find(({ state }) => state.leads)
  return leader ? { processId: leader.id, blockNumber: leader.state.followedBlock } : null
}

function newestFirst(processes: readonly SeenProcess[]): readonly SeenProcess[] {
  return processes.toSorted((a, b) => b.seenAt.getTime() - a.seenAt.getTime())
}
