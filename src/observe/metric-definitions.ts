import { TRANSACTION_STATUSES } from '../domain/transaction.ts'

/**
 * Who has it. `every`: each process, of itself. `worker`: the same, but only one that checks transactions (`worker`,
 * `start`). `shared`: each process, and the same at all of them, because it is read from the database or the broker.
 */
export type MetricSource = 'every' | 'worker' | 'shared'

export interface MetricDefinition {
  readonly name: string
  /** What it counts or shows, and its unit if the name has none. */
  readonly help: string
  readonly source: MetricSource
  /** The labels, each with its values, or with what they are if nobody knows them all. */
  readonly labels?: Readonly<Record<string, readonly string[] | string>>
}

export interface HistogramDefinition extends MetricDefinition {
  readonly buckets: readonly number[]
}

const NODE = 'label of a node, or its host and port'

/** Counted by a process since its start. A counter of a closed list of values starts at 0, so no first one is missed. */
export const COUNTERS = {
  transitions: {
    name: 'confirmd_transitions_total',
    help: 'Changes of status that were committed, by the status reached',
    source: 'worker',
    labels: { status: TRANSACTION_STATUSES.filter((status) => status !== 'pending') },
  },
  checks: {
    name: 'confirmd_checks_total',
    help: 'Looks at a transaction, by what was decided',
    source: 'worker',
    labels: {
      outcome: ['settle', 'replace', 'wait', 'stall', 'expire', 'keep', 'early', 'superseded', 'elsewhere'],
    },
  },
  retries: {
    name: 'confirmd_retries_total',
    help: 'Looks that were put off, by reason; counted when that is committed',
    source: 'worker',
    labels: { reason: ['receipt-absent', 'not-final', 'node-unavailable', 'handler-failed'] },
  },
  handlerFailures: {
    name: 'confirmd_handler_failures_total',
    help: 'Business writes that threw or took too long, by kind; each took its verdict back with it',
    source: 'worker',
    labels: { kind: 'each kind that HANDLERS has' },
  },
  parked: {
    name: 'confirmd_parked_total',
    help: 'What was set aside for a person, by reason',
    source: 'worker',
    labels: { reason: ['handler', 'no-handler', 'refused', 'unreadable', 'unknown-transaction'] },
  },
  republished: {
    name: 'confirmd_sweep_republished_total',
    help: 'Overdue checks that the sweep published again',
    source: 'worker',
  },
  followMatches: {
    name: 'confirmd_follow_matches_total',
    help: 'Transactions without a verdict that were found in blocks',
    source: 'worker',
  },
  followSkipped: {
    name: 'confirmd_follow_skipped_blocks_total',
    help: 'Blocks that were skipped: more than are made up for, or not readable at any node',
    source: 'worker',
  },
  announced: {
    name: 'confirmd_events_announced_total',
    help: 'Events that the exchange has taken, counted when that is committed',
    source: 'worker',
  },
  webhookAttempts: {
    name: 'confirmd_webhook_attempts_total',
    help: 'Requests to webhooks, by what became of the delivery: pending is tried again, failed is given up',
    source: 'worker',
    labels: { delivery: ['delivered', 'pending', 'failed'] },
  },
  rpcCalls: {
    name: 'confirmd_rpc_calls_total',
    help: 'Calls to nodes',
    source: 'worker',
    labels: { node: NODE, method: 'JSON-RPC method' },
  },
  rpcErrors: {
    name: 'confirmd_rpc_errors_total',
    help: 'Calls to nodes that brought no result; those with the code rpc-error were answered, with an error',
    source: 'worker',
    labels: {
      node: NODE,
      method: 'JSON-RPC method',
      code: 'how it failed: timeout, network, http-status, …',
    },
  },
  refused: {
    name: 'confirmd_http_refused_total',
    help: 'Requests turned away before their route, by reason',
    source: 'every',
    labels: { reason: ['unauthenticated', 'not-loopback', 'rate-limited', 'overloaded'] },
  },
} as const satisfies Record<string, MetricDefinition>

export const HISTOGRAMS = {
  settleLatency: {
    name: 'confirmd_settle_latency_seconds',
    help: 'Time from the registration to the committed verdict',
    source: 'worker',
    buckets: [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3600],
  },
  followDelay: {
    name: 'confirmd_follow_delay_seconds',
    help: "Time from a block's timestamp until its transactions were settled",
    source: 'worker',
    buckets: [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 60, 3600],
  },
  announceDelay: {
    name: 'confirmd_announce_delay_seconds',
    help: 'Time from the verdict until the exchange has taken its event',
    source: 'worker',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600],
  },
} as const satisfies Record<string, HistogramDefinition>

/** As it is at the moment of the scrape; what can't be read then is left out. */
export const GAUGES = {
  buildInfo: {
    name: 'confirmd_build_info',
    help: 'Always 1; the labels say what runs',
    source: 'every',
    labels: { version: 'version of confirmd', role: ['start', 'api', 'worker'], chain: 'CHAIN' },
  },
  databaseUp: {
    name: 'confirmd_database_up',
    help: '1 if the database answered this scrape within 5 s, 0 if not',
    source: 'every',
  },
  consuming: {
    name: 'confirmd_consuming',
    help: '1 if the process takes checks from the queue, 0 if not',
    source: 'worker',
  },
  leading: {
    name: 'confirmd_leading',
    help: '1 in the process that follows the blocks, 0 in the others; left out with FOLLOW_BLOCKS=off',
    source: 'worker',
  },
  rpcUp: {
    name: 'confirmd_rpc_up',
    help: '1 if the process uses the node, 0 if it does not: no answer, another chain, or too far behind',
    source: 'worker',
    labels: { node: NODE },
  },
  rpcHead: {
    name: 'confirmd_rpc_head_block_number',
    help: 'Newest block that the node showed',
    source: 'worker',
    labels: { node: NODE },
  },
  rpcLag: {
    name: 'confirmd_rpc_lag_blocks',
    help: 'Blocks by which the node is behind the best one; left out while it does not answer',
    source: 'worker',
    labels: { node: NODE },
  },
  rpcHeadAge: {
    name: 'confirmd_rpc_head_age_seconds',
    help: "Age of the node's newest block; left out while it does not answer",
    source: 'worker',
    labels: { node: NODE },
  },
  openTransactions: {
    name: 'confirmd_open_transactions',
    help: 'Transactions without a verdict; pending without those that are parked, and overdue are those of the pending whose look is due',
    source: 'shared',
    labels: { state: ['pending', 'overdue', 'parked', 'stalled'] },
  },
  oldestPendingAge: {
    name: 'confirmd_oldest_pending_age_seconds',
    help: 'Age of the oldest transaction that is pending and not parked; 0 if there is none',
    source: 'shared',
  },
  queuedMessages: {
    name: 'confirmd_queued_messages',
    help: 'Messages by queue of RabbitMQ; without it, checks of the table that are due or waiting',
    source: 'shared',
    labels: { queue: 'name of the queue' },
  },
  followedBlock: {
    name: 'confirmd_followed_block_number',
    help: 'Newest block of which all transactions were looked at; left out before the first',
    source: 'shared',
  },
  unsentEvents: {
    name: 'confirmd_unsent_events',
    help: 'Events that are committed and on their way; to=exchange only with RabbitMQ',
    source: 'shared',
    labels: { to: ['exchange', 'webhooks'] },
  },
  oldestUnsentAge: {
    name: 'confirmd_oldest_unsent_event_age_seconds',
    help: 'Age of the oldest of them; 0 if there is none',
    source: 'shared',
    labels: { to: ['exchange', 'webhooks'] },
  },
  webhooks: {
    name: 'confirmd_webhooks',
    help: 'Webhooks; failing are those whose last request failed, switched-off those that confirmd gave up, disabled those that somebody did',
    source: 'shared',
    labels: { state: ['working', 'failing', 'switched-off', 'disabled'] },
  },
} as const satisfies Record<string, MetricDefinition>
