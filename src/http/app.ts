import { randomUUID } from 'node:crypto'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Ajv } from 'ajv'
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { useProblems } from './problem.ts'

export const BODY_LIMIT_BYTES = 256 * 1024
const REQUEST_TIMEOUT_MS = 30_000

/** What a caller may give as X-Request-Id; anything else gets an id of ours. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/

const typed = (app: FastifyInstance) => app.withTypeProvider<TypeBoxTypeProvider>()
export type TypedApp = ReturnType<typeof typed>

/** An HTTP server without routes: request ids, validation that names every field, errors as problems. */
export function createApp(log: FastifyBaseLogger): TypedApp {
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    genReqId: (request) => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
  })
  const options = { allErrors: true, verbose: true, useDefaults: true, removeAdditional: false } as const
  const strict = new Ajv({ ...options, coerceTypes: false })
  const coercing = new Ajv({ ...options, coerceTypes: true })
  app.setValidatorCompiler(({ schema, httpPart }) => {
    const ajv = httpPart === 'body' ? strict : coercing
    return ajv.compile(schema as object)
  })
  app.addHook('onSend', async (request, reply) => {
    void reply.header('x-request-id', request.id)
  })
  useProblems(app)
  return typed(app)
}
