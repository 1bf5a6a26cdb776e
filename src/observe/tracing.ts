import { readTraceParent } from '../domain/trace-parent.ts'

export type SpanKind = 'server' | 'consumer' | 'producer' | 'client'

export interface SpanOptions {
  readonly kind: SpanKind
  /** The `traceparent` of what it is part of; null begins a trace. */
  readonly parent: string | null
  readonly attributes: Readonly<Record<string, string | number>>
}

export interface Tracing {
  /** Does the work in a span of its own; an error is noted in it. The work is given the `traceparent` to pass on. */
  span<T>(name: string, options: SpanOptions, work: (traceParent: string | null) => Promise<T>): Promise<T>
  /** Sends off what is left. */
  stop(): Promise<void>
}

/** Without an exporter there are no spans; the context is passed on as it came. */
export const NO_TRACING: Tracing = {
  span: (_name, { parent }, work) => work(parent),
  stop: async () => undefined,
}

/** Spans by OTLP over HTTP. With which headers and how many is read from the standard `OTEL_…` variables. */
export async function startTracing(endpoint: string, version: string): Promise<Tracing> {
  const [{ context, SpanKind, SpanStatusCode, trace }, sdk, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
  ])
  const { resourceFromAttributes } = await import('@opentelemetry/resources')
  const kinds = {
    server: SpanKind.SERVER,
    consumer: SpanKind.CONSUMER,
    producer: SpanKind.PRODUCER,
    client: SpanKind.CLIENT,
  }
  const name = process.env['OTEL_SERVICE_NAME'] || 'confirmd'
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': name, 'service.version': version }),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter({ url: tracesUrl(endpoint) }))],
  })
  const tracer = provider.getTracer('confirmd', version)

  function contextOf(parent: string | null) {
    const [, traceId = '', spanId = '', flags = ''] = readTraceParent(parent)?.split('-') ?? []
    const root = context.active()
    if (traceId === '') return root
    const traceFlags = Number.parseInt(flags, 16)
    return trace.setSpanContext(root, { traceId, spanId, traceFlags, isRemote: true })
  }

  return {
    span: async (spanName, { kind, parent, attributes }, work) => {
      const options = { kind: kinds[kind], attributes }
      const span = tracer.startSpan(spanName, options, contextOf(parent))
      const { traceId, spanId, traceFlags } = span.spanContext()
      const flags = traceFlags.toString(16).padStart(2, '0')
      try {
        return await work(`00-${traceId}-${spanId}-${flags}`)
      } catch (error) {
        span.recordException(error as Error)
        span.setStatus({ code: SpanStatusCode.ERROR })
        throw error
      } finally {
        span.end()
      }
    },
    stop: () => provider.shutdown(),
  }
}

/** The signal's path below the endpoint, as the specification has it. */
function tracesUrl(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`
}
