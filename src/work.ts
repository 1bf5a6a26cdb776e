import type { ChainBinding } from './chain/anchor-check.ts'
import type { CheckQueue } from './domain/check-queue.ts'
import { REPLACEMENT_POLICY } from './domain/replacement.ts'
import { slowCheckLeaseMs, slowChecksAtOnce } from './domain/sweep-budget.ts'
import type { EventExchange } from './flows/announcement.ts'
import { checkSlowly } from './flows/check-slowly.ts'
import { createConfirm } from './flows/confirm.ts'
import { createDeliver } from './flows/deliver.ts'
import { type EncodedExchange, withBoundedEvents } from './flows/event-size.ts'
import type { Kinds } from './flows/kinds.ts'
import { createRelay } from './flows/relay.ts'
import type { Report } from './flows/report.ts'
import { republishLost } from './flows/republish-lost.ts'
import { startWebhookWork } from './flows/webhook-work.ts'
import { startFollowing } from './following.ts'
import type { BusinessHandler } from './handlers.ts'
import type { Metrics } from './observe/metrics.ts'
import type { Tracing } from './observe/tracing.ts'
import { openConfiguredChain, witnessesOf } from './open-configured-chain.ts'
import { repeat } from './repeat.ts'
import { type ReportingProcess, startReporting } from './reporting.ts'
import type { RunContext } from './runnable.ts'
import type { Store } from './store/store.ts'
import { packageVersion } from './version.ts'
import { NO_WATCHDOG, startWatchdog, type Watchdog } from './watchdog.ts'
import { createWebhookSender, type WebhookRequest, type WebhookSender } from './webhooks/sender.ts'

const BEYOND_HANDLER_TIMEOUT_MS = 5_000

export interface WorkingParts {
  readonly store: Store
  readonly binding: ChainBinding
  readonly kinds: Kinds
  readonly handlers: ReadonlyMap<string, BusinessHandler>
  readonly queue: CheckQueue
  /** Null where there is no broker. */
  readonly exchange: EncodedExchange | null
  readonly metrics: Metrics
  readonly tracing: Tracing
}

/** What a worker does: checks, sweeps, follows the blocks, and sends outcomes on. */
export async function startWorker(
  reporting: ReportingProcess,
  context: RunContext,
  parts: WorkingParts,
): Promise<void> {
  const { store, binding, kinds, handlers, queue, metrics, tracing } = parts
  const { config, log, lifecycle } = context
  metrics.handles(handlers.keys())
  const witnesses = witnessesOf(config)
  const chain = await openConfiguredChain(context, { metrics, binding, onWrongChain: context.onFatal })
  lifecycle.add('chain', () => chain.close())
  const following = { leads: false, followedBlock: null as number | null }
  const report = startReporting(reporting, context, store, async () => {
    const nodes = await chain.readNodeStates()
    metrics.sawNodes(nodes)
    return { nodes, ...following }
  })
  const relay = startSending(context, parts)
  const policy = {
    ...config,
    witnesses,
    replacement: REPLACEMENT_POLICY,
    slowChecksAtOnce: slowChecksAtOnce(config.rpcMaxInFlight),
    slowCheckLeaseMs: slowCheckLeaseMs(config),
  }
  const observer = telling(metrics, report, relay.wake)
  const watchdog = handlers.size > 0 ? watchOver(reporting, context) : NO_WATCHDOG
  lifecycle.add('watchdog', () => watchdog.stop())
  const confirm = createConfirm({
    store,
    chain,
    handlers,
    kinds,
    refuseKind: kinds.refuse,
    policy,
    watch: watchdog,
    observer,
    tracer: tracing,
    log,
  })
  const republishing = repeat(
    (signal) => republishLost({ store, queue, policy, observer, log }, signal),
    config.sweepIntervalMs,
    (error) => log.warn({ err: error }, 'sweep failed; the next one tries again'),
  )
  lifecycle.add('sweep', () => republishing.stop())
  // A loop of its own: it takes as long as the nodes let it, and a lost check must not wait for that.
  const checkingSlowly = repeat(
    (signal) => checkSlowly({ store, confirm, policy, log }, signal),
    config.sweepIntervalMs,
    (error) => log.warn({ err: error }, 'slow checks failed; the next run tries again'),
  )
  lifecycle.add('slow checks', () => checkingSlowly.stop())
  if (config.followBlocks) {
    const followed = (blockNumber: number) => {
      following.followedBlock = blockNumber
    }
    const led = (leads: boolean) => {
      following.leads = leads
      metrics.led(leads)
    }
    startFollowing(context, {
      store,
      confirm,
      blocks: chain.blocks,
      observer: { ...observer, passed: followed, led },
    })
  }
  await queue.consume(confirm.handle)
  lifecycle.add('consumer', () => queue.stopConsuming())
}

/** A write that yields is ended by its own time limit; one that does not, some seconds later with its process. */
function watchOver({ role }: ReportingProcess, { config, log }: RunContext): Watchdog {
  return startWatchdog({
    limitMs: config.handlerTimeoutMs + BEYOND_HANDLER_TIMEOUT_MS,
    base: { role, pid: process.pid },
    onError: (error) =>
      log.error(
        { err: error },
        'the watchdog failed; a business write that never yields would hang this process',
      ),
  })
}

/** What is committed is counted, and sent on by the process that committed it. */
function telling(metrics: Metrics, report: Report, wake: () => void): Metrics {
  return {
    ...metrics,
    settled: (transaction) => {
      metrics.settled(transaction)
      report.settled(transaction)
      wake()
    },
    stalled: () => {
      metrics.stalled()
      report.reached('stalled')
      wake()
    },
    expired: () => {
      metrics.expired()
      report.reached('expired')
      wake()
    },
    retried: (reason) => {
      metrics.retried(reason)
      report.retried(reason)
    },
  }
}

/** The relay and the webhooks. They stop after what settles; what they leave the next process sends on. */
function startSending(
  { config, log, lifecycle }: RunContext,
  { store, exchange, metrics, tracing }: WorkingParts,
): { wake: () => void } {
  const sender = createWebhookSender({
    allowLoopback: !config.production,
    timeoutMs: config.webhookTimeoutMs,
    userAgent: `confirmd/${packageVersion()}`,
  })
  lifecycle.add('webhook connections', () => sender.close())
  const deliver = createDeliver({
    store,
    sender: { send: (request) => tracedSend(sender, request, tracing) },
    policy: {
      timeoutMs: config.webhookTimeoutMs,
      retryDelaysMs: config.webhookRetryDelaysMs,
      disableAfterMs: config.webhookDisableAfterMs,
    },
    observer: metrics,
    onDisabled: () => relay.wake(),
    log,
    clock: () => new Date(),
    random: Math.random,
  })
  const bounded = exchange && withBoundedEvents(exchange, log)
  const traced = bounded && { ...bounded, publish: tracedPublish(bounded, tracing) }
  const relay = createRelay({
    chain: config.chain,
    prefix: config.amqpPrefix,
    store,
    exchange: traced,
    observer: metrics,
    onDeliveries: deliver.wake,
    log,
  })
  const webhookWork = startWebhookWork({ store, log })
  lifecycle.add('work on webhooks', () => webhookWork.stop())
  lifecycle.add('webhooks', () => deliver.stop())
  lifecycle.add('relay', () => relay.stop())
  return relay
}

/** The event itself keeps the context of its registration: it is the same however often it is sent. */
function tracedPublish(exchange: EventExchange, tracing: Tracing): EventExchange['publish'] {
  return (event, routingKey) => {
    const attributes = { 'messaging.system': 'rabbitmq', 'messaging.message.id': event.id }
    const options = { kind: 'producer', parent: event.traceparent ?? null, attributes } as const
    return tracing.span('announce', options, () => exchange.publish(event, routingKey))
  }
}

function tracedSend(
  sender: WebhookSender,
  request: WebhookRequest,
  tracing: Tracing,
): ReturnType<WebhookSender['send']> {
  const attributes = { 'server.address': new URL(request.url).hostname, 'messaging.message.id': request.id }
  const options = { kind: 'client', parent: request.traceParent, attributes } as const
  return tracing.span('webhook', options, (traceParent) => sender.send({ ...request, traceParent }))
}
