import type { Logger } from 'pino'
import { openRabbitQueue } from './broker/rabbit-queue.ts'
import type { Chain } from './chain/chain.ts'
import type { Config } from './config.ts'
import type { CheckQueue } from './domain/check-queue.ts'
import { REPLACEMENT_POLICY } from './domain/replacement.ts'
import { createConfirm } from './flows/confirm.ts'
import { follow } from './flows/follow.ts'
import { createSubmit } from './flows/submit.ts'
import { sweep } from './flows/sweep.ts'
import { addAccess } from './http/access.ts'
import { closeApp, createApp, typed } from './http/app.ts'
import { addBatchRoute } from './http/batch-route.ts'
import { isLoopbackHost } from './http/loopback.ts'
import { addOpenApi } from './http/openapi.ts'
import { addHealthRoutes, addMetricsRoute } from './http/operation-routes.ts'
import { addShedding } from './http/shedding.ts'
import { addTransactionRoutes } from './http/transaction-routes.ts'
import type { Lifecycle } from './lifecycle.ts'
import { loadHandlers } from './load-handlers.ts'
import { createMetrics, type Metrics } from './observe/metrics.ts'
import { createRedact } from './observe/redact.ts'
import { repeat } from './repeat.ts'
import { openDatabase } from './store/database.ts'
import { lead } from './store/leadership.ts'
import { migrate, pendingMigrations } from './store/migrations.ts'
import { createStore, type Store } from './store/store.ts'
import { createTableQueue } from './store/table-queue.ts'
import { packageVersion } from './version.ts'

/** What a process does: `start` is `api` and `worker` in one. */
export type Role = 'start' | 'api' | 'worker'

/** The configuration with every part it needs really there. */
export interface RunnableConfig extends Config {
  readonly databaseUrl: string
}

export interface Running {
  /** Where the HTTP server listens. */
  readonly url: string
}

export interface RunContext {
  readonly config: RunnableConfig
  readonly log: Logger
  readonly lifecycle: Lifecycle
  /** Called with an error that the process can't live with. */
  readonly onFatal: (error: Error) => void
}

const TABLE_QUEUE_POLL_INTERVAL_MS = 200
/** Each may hold 4 MiB of registrations. */
const MAX_BATCHES_IN_FLIGHT = 64
/** A block's time: what is older errs towards waiting, and is read afresh before anything is called absent for good. */
const RECENT_HEAD_MS = 1_000
const LEAD_AGAIN_MS = 1_000
const TABLE_QUEUE_LEASE_MS = 10_000

/** Starts a role. Every resource is registered with the lifecycle at once, so a failed start leaks none. */
export async function run(role: Role, context: RunContext): Promise<Running> {
  const { config, log, lifecycle } = context
  const db = openDatabase({
    url: config.databaseUrl,
    poolMax: config.databasePoolMax,
    applicationName: `confirmd ${role}`,
    onWarning: (reason) => log.warn({ reason }, 'database connection failed'),
  })
  lifecycle.add('database', () => db.destroy())
  if (role === 'start') {
    const ran = await migrate(db)
    if (ran.length > 0) log.info({ migrations: ran }, 'schema migrated')
  } else {
    const missing = await pendingMigrations(db)
    if (missing.length > 0) {
      throw new Error(`the database lacks ${missing.length} migration(s); run 'confirmd migrate' first`)
    }
  }

  const store = createStore(db)
  const queue = config.amqpUrl
    ? await openRabbitQueue({
        url: config.amqpUrl,
        prefix: config.amqpPrefix,
        chain: config.chain,
        retryDelaysMs: config.retryDelaysMs,
        prefetch: config.workerPrefetch,
        checkHealth: store.ping,
        log,
        onFatal: context.onFatal,
      })
    : createTableQueue(db, {
        prefetch: config.workerPrefetch,
        pollIntervalMs: TABLE_QUEUE_POLL_INTERVAL_MS,
        leaseMs: TABLE_QUEUE_LEASE_MS,
        onError: (error) => log.warn({ err: error }, 'check not carried out; it comes back'),
      })
  lifecycle.add('queue', () => queue.close())
  const metrics = createMetrics({ queueDepths: queue.depths, openTransactions: store.countOpen })

  let stopping = false
  const url = await serve(role, context, store, queue, metrics, () => stopping)
  if (role !== 'api') await startWorker(context, store, queue, metrics)
  lifecycle.add('readiness', () => {
    stopping = true
  })
  return { url }
}

async function startWorker(
  context: RunContext,
  store: Store,
  queue: CheckQueue,
  metrics: Metrics,
): Promise<void> {
  const { config, log, lifecycle } = context
  const handlers = await loadHandlers(config.handlers)
  const witnesses = Math.min(2, config.rpcUrls?.length ?? 0)
  const chain = await openConfiguredChain(context, metrics, witnesses)
  lifecycle.add('chain', () => chain.close())
  const policy = { ...config, witnesses, replacement: REPLACEMENT_POLICY }
  const confirm = createConfirm({ store, chain, handlers, policy, observer: metrics, log })
  const dependencies = { store, queue, confirm, policy, observer: metrics, log, clock: () => new Date() }
  const sweeping = repeat(
    (signal) => sweep(dependencies, signal),
    config.sweepIntervalMs,
    (error) => log.warn({ err: error }, 'sweep failed; the next one tries again'),
  )
  lifecycle.add('sweep', () => sweeping.stop())
  if (config.followBlocks) {
    const { chain: name, databaseUrl } = config
    const following = { ...dependencies, chain: name, blocks: chain.blocks }
    const leading = repeat(
      (signal) => lead(databaseUrl, `follow ${name}`, (led) => follow(following, led), signal),
      LEAD_AGAIN_MS,
      (error) => log.warn({ err: error }, 'no lead to follow the chain; trying again'),
    )
    lifecycle.add('follower', () => leading.stop())
  }
  await queue.consume(confirm.handle)
  lifecycle.add('consumer', () => queue.stopConsuming())
}

/** caver-js is heavy: only a process that asks the chain loads it. */
async function openConfiguredChain(
  { config, log }: RunContext,
  metrics: Metrics,
  witnesses: number,
): Promise<Chain> {
  const { openChain } = await import('./chain/chain.ts')
  return openChain({
    urls: config.rpcUrls ?? [],
    webSocketUrls: config.rpcWebSocketUrls,
    chainId: config.chainId,
    timeoutMs: config.rpcTimeoutMs,
    maxInFlight: config.rpcMaxInFlight,
    maxBatchCalls: config.rpcMaxBatchCalls,
    recentHeadMs: RECENT_HEAD_MS,
    maxLagBlocks: config.rpcMaxLagBlocks,
    maxHeadAgeMs: config.rpcMaxHeadAgeMs,
    finalityDepthBlocks: config.finalityDepthBlocks,
    witnesses,
    redact: createRedact(config.rpcUrls ?? []),
    onCall: metrics.rpcCalled,
    onChainChecked: (node, problem) => {
      if (problem) log.error({ node, problem }, 'node not used')
      else log.info({ node }, 'node is on the right chain again')
    },
    onAnnouncing: (node, problem) => {
      if (problem) log.warn({ node, problem }, 'no new blocks announced; they are asked for anyway')
      else log.info({ node }, 'new blocks are announced')
    },
  })
}

async function serve(
  role: Role,
  { config, log, lifecycle }: RunContext,
  store: Store,
  queue: CheckQueue,
  metrics: Metrics,
  isStopping: () => boolean,
): Promise<string> {
  const app = await createApp(log)
  if (role !== 'worker') await addOpenApi(app, packageVersion())
  addHealthRoutes(app, {
    process: async () => {
      if (isStopping()) throw new Error('stopping')
    },
    database: () => store.ping(),
    ...(role === 'api'
      ? {}
      : {
          consumer: async () => {
            if (!queue.isConsuming()) throw new Error('not consuming')
          },
        }),
  })
  await app.register(async (guarded) => {
    await addAccess(guarded, { ...config, onRefused: metrics.refused })
    addMetricsRoute(typed(guarded), metrics)
    if (role === 'worker') return
    const { submit, recheck, drain } = createSubmit({ store, queue, policy: config, log })
    lifecycle.add('publishes under way', drain)
    const transactions = { chain: config.chain, submit, recheck, load: store.load, list: store.list }
    await guarded.register(async (api) => {
      await addShedding(api, { ...config, onShed: () => metrics.refused('overloaded') })
      addTransactionRoutes(typed(api), transactions)
    })
    await guarded.register(async (api) => {
      const maxRequestsInFlight = Math.min(config.maxRequestsInFlight, MAX_BATCHES_IN_FLIGHT)
      await addShedding(api, { ...config, maxRequestsInFlight, onShed: () => metrics.refused('overloaded') })
      addBatchRoute(typed(api), transactions)
    })
  })
  sayWhoIsServed(config, log)
  // Half of the time is for the rest of the stop: the queue and the database come after.
  lifecycle.add('http', () => closeApp(app, config.shutdownTimeoutMs / 2))
  return app.listen({ host: config.host, port: config.port ?? (role === 'worker' ? 0 : 8080) })
}

function sayWhoIsServed({ apiKeys, host }: RunnableConfig, log: Logger): void {
  if (apiKeys.length > 0)
    log.info({ keys: apiKeys.map(({ name }) => name) }, 'the API takes requests with a key')
  else if (isLoopbackHost(host))
    log.info({ setting: 'API_KEYS' }, 'there are no keys: only loopback is served')
  else {
    const text = 'there are no keys: only loopback is served, all others get 403 except for health and docs'
    log.warn({ host, setting: 'API_KEYS' }, text)
  }
}
