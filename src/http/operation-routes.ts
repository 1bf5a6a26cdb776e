import type { TypedApp } from './app.ts'
import { Health } from './schemas.ts'

/** What must hold for this process to be given work: a name, and a check that rejects if it doesn't. */
export type Readiness = Readonly<Record<string, () => Promise<void>>>

export interface RenderedMetrics {
  readonly contentType: string
  render(): Promise<string>
}

const CHECK_TIMEOUT_MS = 3_000

/** /healthz: the process runs. /readyz: it can work. Both answer everyone, and under any load. */
export function addHealthRoutes(app: TypedApp, readiness: Readiness): void {
  app.get(
    '/healthz',
    { schema: { tags: ['operation'], security: [], response: { 200: Health } } },
    async () => ({
      status: 'ok' as const,
      checks: {},
    }),
  )

  app.get(
    '/readyz',
    { schema: { tags: ['operation'], security: [], response: { 200: Health, 503: Health } } },
    async (_request, reply) => {
      const results = await Promise.all(
        Object.entries(readiness).map(async ([name, check]) => [name, await outcomeOf(check)] as const),
      )
      const ready = results.every(([, outcome]) => outcome === 'ok')
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ok' : 'unavailable', checks: Object.fromEntries(results) })
    },
  )
}

/** /metrics: for Prometheus. */
export function addMetricsRoute(app: TypedApp, metrics: RenderedMetrics): void {
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.render()),
  )
}

async function outcomeOf(check: () => Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), CHECK_TIMEOUT_MS)
  })
  try {
    await Promise.race([check(), late])
    return 'ok'
  } catch {
    return 'unavailable'
  } finally {
    clearTimeout(timer)
  }
}
