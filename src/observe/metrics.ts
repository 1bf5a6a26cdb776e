import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Transaction } from '../domain/transaction.ts'

/** What is asked at each scrape; a source that fails leaves its gauge out. */
export interface GaugeSources {
  /** Messages by queue. */
  readonly queueDepths: () => Promise<Readonly<Record<string, number>>>
  /** Open transactions by state. */
  readonly openTransactions: () => Promise<object>
  /** Events that are committed and on their way, by what they wait for. */
  readonly unsentEvents: () => Promise<object>
}

export type Metrics = ReturnType<typeof createMetrics>

/** The metrics of one process. Counted after the commit, so that a counter never runs ahead of the database. */
export function createMetrics(sources: GaugeSources) {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  const checks = new Counter({
    name: 'confirmd_checks_total',
    help: 'Looks at a transaction by what became of it',
    labelNames: ['outcome'],
    registers,
  })
  const retries = new Counter({
    name: 'confirmd_retries_total',
    help: 'Checks put on a wait tier, by reason',
    labelNames: ['reason'],
    registers,
  })
  const settled = new Counter({
    name: 'confirmd_settled_total',
    help: 'Transitions out of pending that were committed, by the status reached',
    labelNames: ['status'],
    registers,
  })
  const settleLatency = new Histogram({
    name: 'confirmd_settle_latency_seconds',
    help: 'Time from the registration to the committed verdict',
    buckets: [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3600],
    registers,
  })
  const handlerFailures = new Counter({
    name: 'confirmd_handler_failures_total',
    help: 'Business writes that threw, by kind',
    labelNames: ['kind'],
    registers,
  })
  const republished = new Counter({
    name: 'confirmd_sweep_republished_total',
    help: 'Overdue checks that the sweep published again',
    registers,
  })
  const parked = new Counter({
    name: 'confirmd_parked_total',
    help: 'Messages set aside for a person, by reason',
    labelNames: ['reason'],
    registers,
  })
  const rpcCalls = new Counter({
    name: 'confirmd_rpc_calls_total',
    help: 'Calls to nodes',
    labelNames: ['node', 'method'],
    registers,
  })
  const rpcErrors = new Counter({
    name: 'confirmd_rpc_errors_total',
    help: 'Calls to nodes that brought no result',
    labelNames: ['node', 'method', 'code'],
    registers,
  })
  const refused = new Counter({
    name: 'confirmd_http_refused_total',
    help: 'Requests turned away before their route, by reason',
    labelNames: ['reason'],
    registers,
  })
  const followedBlock = new Gauge({
    name: 'confirmd_follow_block',
    help: 'Newest block that was followed; only in the process that leads',
    registers,
  })
  const followDelay = new Histogram({
    name: 'confirmd_follow_delay_seconds',
    help: "Time from a block's timestamp until its transactions were settled",
    buckets: [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 60, 3600],
    registers,
  })
  const followMatches = new Counter({
    name: 'confirmd_follow_matches_total',
    help: 'Transactions without a verdict that were found in blocks',
    registers,
  })
  const followSkipped = new Counter({
    name: 'confirmd_follow_skipped_blocks_total',
    help: 'Blocks that were not followed because they were too many',
    registers,
  })
  const announced = new Counter({
    name: 'confirmd_events_announced_total',
    help: 'Events that the exchange has taken',
    registers,
  })
  const announceDelay = new Histogram({
    name: 'confirmd_announce_delay_seconds',
    help: 'Time from the verdict until the exchange has taken its event',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600],
    registers,
  })
  const webhookAttempts = new Counter({
    name: 'confirmd_webhook_attempts_total',
    help: 'Requests to webhooks, by what became of the delivery',
    labelNames: ['delivery'],
    registers,
  })
  sampledGauge('confirmd_unsent_events', 'Events on their way', 'to', sources.unsentEvents)
  sampledGauge('confirmd_queue_depth', 'Messages in a queue', 'queue', sources.queueDepths)
  sampledGauge('confirmd_open_transactions', 'Rows without a verdict', 'state', sources.openTransactions)

  function sampledGauge(name: string, help: string, label: string, sample: () => Promise<object>): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      async collect() {
        this.reset()
        const values = await sample().catch(() => ({}))
        for (const [key, value] of Object.entries(values)) this.set({ [label]: key }, Number(value))
      },
    })
  }

  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    checked: (outcome: string) => checks.inc({ outcome }),
    retried: (reason: string) => retries.inc({ reason }),
    settled: (transaction: Transaction) => {
      settled.inc({ status: transaction.status })
      const settledAt = transaction.settledAt?.getTime() ?? Date.now()
      settleLatency.observe((settledAt - transaction.createdAt.getTime()) / 1000)
    },
    stalled: () => settled.inc({ status: 'stalled' }),
    expired: () => settled.inc({ status: 'expired' }),
    handlerFailed: (kind: string) => handlerFailures.inc({ kind }),
    parked: (reason: string) => parked.inc({ reason }),
    refused: (reason: string) => refused.inc({ reason }),
    republished: (count: number) => republished.inc(count),
    followed: ({ number, timeMs }: { number: number; timeMs: number }, matches: number) => {
      followedBlock.set(number)
      followDelay.observe(Math.max(0, Date.now() - timeMs) / 1000)
      followMatches.inc(matches)
    },
    announced: (events: readonly { createdAt: Date }[]) => {
      announced.inc(events.length)
      for (const { createdAt } of events) {
        announceDelay.observe(Math.max(0, Date.now() - createdAt.getTime()) / 1000)
      }
    },
    attempted: (delivery: string) => webhookAttempts.inc({ delivery }),
    skipped: (blocks: number) => followSkipped.inc(blocks),
    rpcCalled: ({
      node,
      method,
      error,
    }: {
      node: string
      method: string
      error: { code: string } | null
    }) => {
      rpcCalls.inc({ node, method })
      if (error) rpcErrors.inc({ node, method, code: error.code })
    },
  }
}
