import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AmqpUrls } from './broker/hosts.ts'
import { openRabbit, type Rabbit } from './broker/rabbit.ts'
import { openChainBinding } from './chain-binding.ts'
import type { ProcessState } from './domain/process.ts'
import { exchangeOf } from './exchange-of-chain.ts'
import { createKinds } from './flows/kinds.ts'
import type { BusinessHandler } from './handlers.ts'
import { loadHandlers } from './load-handlers.ts'
import { createMetrics } from './observe/metrics.ts'
import { NO_TRACING, startTracing } from './observe/tracing.ts'
import { repeat } from './repeat.ts'
import { startReporting } from './reporting.ts'
import type { Role, RunContext } from './runnable.ts'
import { serve } from './serve.ts'
import { openDatabase } from './store/database.ts'
import { provideAnnounced } from './store/event-cursors.ts'
import { readGauges } from './store/gauges.ts'
import { migrate, pendingMigrations } from './store/migrations.ts'
import { demandSessions } from './store/pooling.ts'
import { createStore } from './store/store.ts'
import { createTableQueue } from './store/table-queue.ts'
import { packageVersion } from './version.ts'
import { startWorker } from './work.ts'

export interface Running {
  /** Where the HTTP server listens. */
  readonly url: string
}

/** A kind counts as handled for a minute after it was last told. */
const KINDS_INTERVAL_MS = 5_000
const STOP_GRACE_MS = 1_000
const TABLE_QUEUE_POLL_INTERVAL_MS = 200
const TABLE_QUEUE_LEASE_MS = 10_000
/** It asks no node. */
const API_STATE: ProcessState = { nodes: [], leads: false, followedBlock: null }

/** Starts a role. Every resource is registered with the lifecycle at once, so a failed start leaks none. */
export async function run(role: Role, context: RunContext): Promise<Running> {
  const { config, log, lifecycle } = context
  // Before the migrations: a lock of theirs would stay behind in a session that is not given back.
  await demandSessions(config.databaseUrl)
  const db = openDatabase({
    url: config.databaseUrl,
    schema: config.databaseSchema,
    poolMax: config.databasePoolMax,
    applicationName: `confirmd ${role}`,
    onWarning: (reason) => log.warn({ reason }, 'database connection failed'),
  })
  lifecycle.add('database', () => db.destroy())
  const tracing =
    config.otlpEndpoint === null ? NO_TRACING : await startTracing(config.otlpEndpoint, packageVersion())
  lifecycle.add('spans', tracing.stop)
  if (role === 'start') {
    const ran = await migrate(config.databaseUrl, {
      schema: config.databaseSchema,
      say: (message) => log.warn(message),
    })
    if (ran.length > 0) log.info({ migrations: ran }, 'schema migrated')
  } else {
    const missing = await pendingMigrations(db)
    if (missing.length > 0) {
      throw new Error(`the database lacks ${missing.length} migration(s); run 'confirmd migrate' first`)
    }
  }

  const binding = await openChainBinding(db, {
    config,
    isEmbedded: config.hasEmbeddedChain,
    log,
    onFatal: context.onFatal,
  })
  const store = createStore(db, config)
  const processId = randomUUID()
  // An API runs none: a module that can't be loaded is a worker's matter.
  const handlers = role === 'api' ? new Map<string, BusinessHandler>() : await loadHandlers(config.handlers)
  const kinds = createKinds({
    chain: config.chain,
    own: new Set(handlers.keys()),
    unknownKinds: config.unknownKinds,
    store,
    log,
  })
  // Before anything is settled or refused by them.
  await kinds.refresh()
  const learning = repeat(kinds.refresh, KINDS_INTERVAL_MS, (error) =>
    log.warn({ err: error }, 'handled kinds neither told nor learned; trying again'),
  )
  // A stop does not wait longer for a database that is away.
  lifecycle.add('handled kinds', () =>
    Promise.race([learning.stop(), sleep(STOP_GRACE_MS, undefined, { ref: false })]),
  )
  const { queue, exchange } = config.amqpUrls
    ? openBroker(context, config.amqpUrls, store.ping)
    : {
        queue: createTableQueue(db, {
          chain: config.chain,
          prefetch: config.workerPrefetch,
          pollIntervalMs: TABLE_QUEUE_POLL_INTERVAL_MS,
          leaseMs: TABLE_QUEUE_LEASE_MS,
          onError: (error) => log.warn({ err: error }, 'check not carried out; it comes back'),
        }),
        exchange: null,
      }
  lifecycle.add('queue', () => queue.close())
  const exchangeOfChain = exchangeOf(config)
  if (exchangeOfChain) await provideAnnounced(db, exchangeOfChain)
  const measured = { version: packageVersion(), role, chain: config.chain }
  const metrics = createMetrics(measured, {
    readDatabase: () => readGauges(db, config.chain, exchangeOfChain),
    queueDepths: queue.depths,
    isConsuming: queue.isConsuming,
  })

  let stopping = false
  const url = await serve(role, context, {
    store,
    binding,
    kinds,
    checkWriting: () => store.touchProcess(processId),
    queue,
    metrics,
    tracing,
    isStopping: () => stopping,
  })
  const reporting = { processId, role }
  if (role === 'api') startReporting(reporting, context, store, async () => API_STATE)
  else
    await startWorker(reporting, context, {
      store,
      binding,
      kinds,
      handlers,
      queue,
      exchange,
      metrics,
      tracing,
    })
  lifecycle.add('readiness', () => {
    stopping = true
  })
  return { url }
}

function openBroker(
  { config, log, onFatal }: RunContext,
  urls: AmqpUrls,
  checkHealth: () => Promise<void>,
): Rabbit {
  return openRabbit({
    urls,
    prefix: config.amqpPrefix,
    chain: config.chain,
    retryDelaysMs: config.retryDelaysMs,
    prefetch: config.workerPrefetch,
    checkHealth,
    log,
    onFatal,
  })
}
