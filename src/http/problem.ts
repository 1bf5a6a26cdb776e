import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchemaValidationError,
} from 'fastify'
import type { FromSchema } from 'json-schema-to-ts'
import { describeProblems, type FieldProblem } from '../domain/registration.ts'

/** An error answer, RFC 9457. */
export const Problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', description: 'always about:blank: the status says what kind of problem it is' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
} as const
export type Problem = FromSchema<typeof Problem>

/** Thrown by a route to answer with a problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly statusCode: number
  readonly problems: readonly FieldProblem[]
  readonly headers: Readonly<Record<string, string>>
  constructor(
    statusCode: number,
    detail: string,
    problems: readonly FieldProblem[] = [],
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
    this.statusCode = statusCode
    this.problems = problems
    this.headers = headers
  }
}

const CONTENT_TYPE = 'application/problem+json'

/** Makes every error of the app, also those of fastify itself, a problem; what is ours is only logged. */
export function useProblems(app: FastifyInstance): void {
  app.setErrorHandler(async (error: FastifyError | ProblemError, request, reply) => {
    if ('validation' in error && error.validation) {
      const errors = error.validation.map((each) => fieldProblem(each, error.validationContext ?? 'request'))
      return send(reply, 400, describeProblems(errors), errors)
    }
    const status = error.statusCode ?? 500
    if (error instanceof ProblemError) {
      return send(reply.headers(error.headers), status, error.message, error.problems)
    }
    if (status < 500) return send(reply, status, error.message)
    return sendFailure(error, request, reply)
  })
  app.setNotFoundHandler(async (request, reply) =>
    send(reply, 404, `there is nothing at ${request.method} ${request.url.split('?')[0]}; see /docs`),
  )
}

/** For errors that come before any route: a URL that can't be read, a parameter that is too long. */
export function answerFrameworkError(
  error: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  void send(reply, error.statusCode ?? 400, error.message)
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request was not complete in time'],
}

/** For what is no HTTP request at all: there is no reply, only the socket. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [status, detail] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'this is not a request of HTTP/1.1']
  const body = JSON.stringify(toProblem(status, detail))
  const head = [
    `HTTP/1.1 ${status} ${titleOf(status)}`,
    `content-type: ${CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroy()
}

/** The reason stays in the log: it may hold SQL, addresses or a payload. */
function sendFailure(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  request.log.error({ err: error }, 'request failed')
  const unavailable = isDatabaseUnavailable(error)
  if (unavailable) void reply.header('retry-after', '1')
  const detail = unavailable
    ? 'the database can not be reached or is too slow; try again, a transaction is never recorded twice'
    : 'something went wrong here; the log has the request under its id'
  return send(reply, unavailable ? 503 : 500, `${detail} (request ${request.id})`)
}

function send(
  reply: FastifyReply,
  status: number,
  detail: string,
  errors: readonly FieldProblem[] = [],
): FastifyReply {
  return reply
    .code(status)
    .type(CONTENT_TYPE)
    .serializer(JSON.stringify)
    .send(toProblem(status, detail, errors))
}

export function toProblem(status: number, detail: string, errors: readonly FieldProblem[] = []): Problem {
  const problem = { type: 'about:blank', title: titleOf(status), status, detail }
  return errors.length > 0 ? { ...problem, errors: [...errors] } : problem
}

function titleOf(status: number): string {
  return STATUS_CODES[status] ?? 'Error'
}

/** What the validator says of one field, in our words. */
export function fieldProblem(error: FastifySchemaValidationError, context: string): FieldProblem {
  const parent = error.instancePath.slice(1).replaceAll('/', '.')
  const { missingProperty, additionalProperty } = error.params as Record<string, string | undefined>
  const name = missingProperty ?? additionalProperty
  const field = [parent, name].filter(Boolean).join('.') || context
  if (additionalProperty) return { field, message: 'is not a known field' }
  if (missingProperty) return { field, message: 'is missing' }
  const { description } = (error as { parentSchema?: { description?: string } }).parentSchema ?? {}
  return { field, message: description ? `must be ${description}` : (error.message ?? 'is not valid') }
}

/**
 * Classes of SQLSTATE that say nothing about the statement: connection lost, login refused, database not there,
 * out of resources, taken out of service; and a statement ended by a time limit, a deadlock or a failover, or
 * before it began since the database takes no connections.
 */
const UNAVAILABLE_SQLSTATE = /^(08|28|3D|53|57|58)...$|^(25006|40001|40P01|55000|55P03)$/
const UNAVAILABLE_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE'])

function isDatabaseUnavailable(error: Error & { code?: string }): boolean {
  if (error.name === 'KnexTimeoutError') return true
  if (error.code && (UNAVAILABLE_SQLSTATE.test(error.code) || UNAVAILABLE_CODES.has(error.code))) return true
  return /Connection terminated|timeout expired|connection timeout|read timeout/i.test(error.message)
}
