import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { ChainBinding } from './chain/anchor-check.ts'
import type { Chain } from './chain/chain.ts'
import type { CheckQueue } from './domain/check-queue.ts'
import { isLoopbackHost } from './domain/loopback.ts'
import { exchangeOf } from './exchange-of-chain.ts'
import { createDiagnosis } from './flows/diagnosis.ts'
import { createFeed } from './flows/feed.ts'
import type { Kinds } from './flows/kinds.ts'
import { createOverview } from './flows/overview.ts'
import { createSubmit, type Submit } from './flows/submit.ts'
import { createWebhooks } from './flows/webhooks.ts'
import { addAccess } from './http/access.ts'
import { closeApp, createApp, typed } from './http/app.ts'
import { addBatchRoute } from './http/batch-route.ts'
import { addEventRoutes } from './http/event-routes.ts'
import { addInspectionRoutes } from './http/inspection-routes.ts'
import { addOpenApi } from './http/openapi.ts'
import { addHealthRoutes, addMetricsRoute } from './http/operation-routes.ts'
import { addOverviewRoutes } from './http/overview-routes.ts'
import { addPage } from './http/page-route.ts'
import { addShedding } from './http/shedding.ts'
import { addTransactionRoute } from './http/transaction-route.ts'
import { addTransactionRoutes } from './http/transaction-routes.ts'
import { addWebhookRoutes } from './http/webhook-routes.ts'
import type { Metrics } from './observe/metrics.ts'
import type { Tracing } from './observe/tracing.ts'
import { type ChainParts, openConfiguredChain } from './open-configured-chain.ts'
import type { Role, RunContext, RunnableConfig } from './runnable.ts'
import type { Store } from './store/store.ts'
import { packageVersion } from './version.ts'

/** Each may hold 4 MiB of registrations. */
const MAX_BATCHES_IN_FLIGHT = 64

export interface ServedParts {
  readonly store: Store
  readonly binding: ChainBinding
  readonly kinds: Kinds
  /** Rejects unless this process wrote to the database a moment ago. */
  readonly checkWriting: () => Promise<void>
  readonly queue: CheckQueue
  readonly metrics: Metrics
  readonly tracing: Tracing
  readonly isStopping: () => boolean
}

/** Beside this file in the build; of the build, too, where the sources run. */
const PAGE_FOLDER = fileURLToPath(new URL('../dist/page', import.meta.url))

/** Starts the HTTP server of a role; returns its URL. */
export async function serve(
  role: Role,
  { config, log, lifecycle, onFatal }: RunContext,
  { store, binding, kinds, checkWriting, queue, metrics, tracing, isStopping }: ServedParts,
): Promise<string> {
  const app = await createApp(log)
  const feed = createFeed({ store, log })
  if (role !== 'worker') {
    await addOpenApi(app, packageVersion())
    const onMissing = (reason: string) => log.warn(reason)
    await app.register((scope) => addPage(scope, { folder: PAGE_FOLDER, onMissing }))
  }
  addHealthRoutes(app, {
    process: async () => {
      if (isStopping()) throw new Error('stopping')
    },
    database: async () => {
      await store.ping()
      await checkWriting()
    },
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
    const transactions = {
      chain: config.chain,
      refuseKind: kinds.refuse,
      submit: traced(submit, tracing),
      recheck,
      load: store.load,
      list: store.list,
    }
    const webhooks = createWebhooks(store, { allowLoopback: !config.production })
    const overview = createOverview({
      store,
      queueDepths: queue.depths,
      exchange: exchangeOf(config),
      chain: config.chain,
      version: packageVersion(),
      clock: () => new Date(),
    })
    await guarded.register(async (api) => {
      await addShedding(api, { ...config, onShed: () => metrics.refused('overloaded') })
      addTransactionRoutes(typed(api), transactions)
      addWebhookRoutes(typed(api), webhooks)
      addOverviewRoutes(typed(api), overview)
      addInspectionRoutes(typed(api), {
        load: store.load,
        listEvents: (id) => store.listTransactionEvents(id, exchangeOf(config)),
        diagnose: createDiagnosis({
          store,
          examine: config.rpcEndpoints && examiner({ config, log, lifecycle, onFatal }, { metrics, binding }),
          policy: config,
          clock: () => new Date(),
        }),
      })
    })
    // Who waits holds up nobody: these have a limit of their own.
    await guarded.register(async (api) => {
      const maxRequestsInFlight = config.maxWaitingRequests
      await addShedding(api, { ...config, maxRequestsInFlight, onShed: () => metrics.refused('overloaded') })
      addTransactionRoute(typed(api), { load: store.loadWithLooks, list: store.list, feed })
      addEventRoutes(typed(api), { feed, isStopping })
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
  // Before it: who waits is answered, and the server can end.
  lifecycle.add('readers of the feed', feed.stop)
  return app.listen({ host: config.host, port: config.port ?? (role === 'worker' ? 0 : 8080) })
}

/** What is recorded is part of the span, so that all that becomes of it is, too. */
function traced(submit: Submit['submit'], tracing: Tracing): Submit['submit'] {
  return (registration) => {
    const { txHash, kind, traceParent: parent } = registration
    const attributes = { 'confirmd.tx_hash': txHash, 'confirmd.kind': kind }
    return tracing.span('register', { kind: 'server', parent, attributes }, (traceParent) =>
      submit({ ...registration, traceParent }),
    )
  }
}

/** An API asks the chain only when a person wants to know something: the connection is opened then. */
function examiner(context: RunContext, parts: ChainParts): Chain['examine'] {
  let opening: Promise<Chain> | null = null
  async function open(): Promise<Chain> {
    const config = { ...context.config, rpcWebSocketUrls: [] }
    const chain = await openConfiguredChain({ ...context, config }, parts)
    context.lifecycle.add('chain for diagnoses', () => chain.close())
    return chain
  }
  return async (asked) => {
    opening ??= open()
    return (await opening).examine(asked)
  }
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
