import { randomUUID } from 'node:crypto'
import helmet from '@fastify/helmet'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import { Ajv } from 'ajv'
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { markLossyNumbers } from '../domain/lossy-numbers.ts'
import { answerClientError, answerFrameworkError, ProblemError, useProblems } from './problem.ts'

export const BODY_LIMIT_BYTES = 256 * 1024
/** All headers of a request, and its request line, together. */
const HEADERS_LIMIT_BYTES = 16 * 1024
/** Of one parameter in a path; the longest of ours is a transaction hash. */
const PARAMETER_LIMIT_CHARS = 66
/** A client that sends slower than this holds no connection for long. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const TIMEOUT_CHECK_INTERVAL_MS = 2_000
/** A connection without a byte for this long is given up, also while it waits for an answer. */
const CONNECTION_TIMEOUT_MS = 120_000
/** Longer than the idle limit of the usual load balancers (60 s): else one may send into a closing connection. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000
/** An idle connection costs some 10 kB; more than these are turned away unheard. */
const MAX_CONNECTIONS = 10_000

/** TLS, and with it HSTS, is the matter of what stands before us. */
const SECURITY_HEADERS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
  strictTransportSecurity: false,
}

/** What a caller may give as X-Request-Id; anything else gets an id of ours. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/

export const typed = (app: FastifyInstance) => app.withTypeProvider<JsonSchemaToTsProvider>()
export type TypedApp = ReturnType<typeof typed>

/** An HTTP server without routes: limits, request ids, validation that names every field, errors as problems. */
export async function createApp(log: FastifyBaseLogger): Promise<TypedApp> {
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    routerOptions: { maxParamLength: PARAMETER_LIMIT_CHARS },
    http: {
      maxHeaderSize: HEADERS_LIMIT_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      // Node would answer by itself, and not with a problem.
      requireHostHeader: false,
    },
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    genReqId: (request) => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
  })
  app.server.maxConnections = MAX_CONNECTIONS
  // Node would answer an expectation that it does not know with a bare 417; RFC 9110 lets us ignore it.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  app.addHook('onRequest', async (request) => {
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      throw new ProblemError(400, 'the request has no Host header')
    }
  })
  await app.register(helmet, SECURITY_HEADERS)
  useLosslessJson(app)
  const options = { allErrors: true, verbose: true, useDefaults: true, removeAdditional: false } as const
  const strict = new Ajv({ ...options, coerceTypes: false })
  const coercing = new Ajv({ ...options, coerceTypes: true })
  app.setValidatorCompiler(({ schema, httpPart }) => {
    const ajv = httpPart === 'body' ? strict : coercing
    return ajv.compile(schema as object)
  })
  app.addHook('onSend', async (request, reply) => {
    void reply.header('x-request-id', request.id)
    // What is answered after the stop began would else hold its idle connection, and with it the stop.
    if (!app.server.listening) void reply.header('connection', 'close')
  })
  useProblems(app)
  return typed(app)
}

/** Bodies are parsed as fastify does, prototype poisoning refused, but no number is rounded silently. */
function useLosslessJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) =>
    parse(request, markLossyNumbers(body), done),
  )
}

/** Lets the requests under way end; what is not done by then, like an answer that nobody reads, is cut off. */
export async function closeApp(app: TypedApp, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}
