import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchemaValidationError,
} from 'fastify'
import { type Static, Type } from 'typebox'
import type { FieldProblem } from '../domain/registration.ts'

/** An error answer, RFC 9457. */
export const Problem = Type.Object({
  type: Type.String({ description: 'always about:blank: the status says what kind of problem it is' }),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  errors: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
})
type Problem = Static<typeof Problem>

/** Thrown by a route to answer with a problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly statusCode: number
  readonly problems: readonly FieldProblem[]
  constructor(statusCode: number, detail: string, problems: readonly FieldProblem[] = []) {
    super(detail)
    this.statusCode = statusCode
    this.problems = problems
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** Makes every error of the app, also those of fastify itself, a problem; what is ours is only logged. */
export function useProblems(app: FastifyInstance): void {
  app.setErrorHandler(async (error: FastifyError | ProblemError, request, reply) => {
    if ('validation' in error && error.validation) {
      const errors = error.validation.map((each) => fieldProblem(each, error.validationContext ?? 'request'))
      return send(reply, 400, errors.map(({ field, message }) => `${field} ${message}`).join('; '), errors)
    }
    const status = error.statusCode ?? 500
    if (error instanceof ProblemError) return send(reply, status, error.message, error.problems)
    if (status < 500) return send(reply, status, error.message)
    return sendFailure(error, request, reply)
  })
  app.setNotFoundHandler(async (request, reply) =>
    send(reply, 404, `there is nothing at ${request.method} ${request.url.split('?')[0]}; see /docs`),
  )
}

/** The reason stays in the log: it may hold SQL, addresses or a payload. */
function sendFailure(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  request.log.error({ err: error }, 'request failed')
  const unavailable = isDatabaseUnavailable(error)
  if (unavailable) void reply.header('retry-after', '1')
  const detail = unavailable
    ? 'the database can not be reached; nothing was recorded, try again'
    : 'something went wrong here; the log has the request under its id'
  return send(reply, unavailable ? 503 : 500, `${detail} (request ${request.id})`)
}

function send(
  reply: FastifyReply,
  status: number,
  detail: string,
  errors: readonly FieldProblem[] = [],
): FastifyReply {
  const problem: Problem = {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    ...(errors.length > 0 ? { errors: [...errors] } : {}),
  }
  return reply.code(status).type('application/problem+json').serializer(JSON.stringify).send(problem)
}

function fieldProblem(error: FastifySchemaValidationError, context: string): FieldProblem {
  const parent = error.instancePath.slice(1).replaceAll('/', '.')
  const { missingProperty, additionalProperty } = error.params as Record<string, string | undefined>
  const name = missingProperty ?? additionalProperty
  const field = [parent, name].filter(Boolean).join('.') || context
  if (additionalProperty) return { field, message: 'is not a known field' }
  if (missingProperty) return { field, message: 'is missing' }
  const { description } = (error as { parentSchema?: { description?: string } }).parentSchema ?? {}
  return { field, message: description ? `must be ${description}` : (error.message ?? 'is not valid') }
}

const UNAVAILABLE_SQLSTATES = new Set(['53300', '57P01', '57P02', '57P03'])
const UNAVAILABLE_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE'])

function isDatabaseUnavailable(error: Error & { code?: string }): boolean {
  if (error.name === 'KnexTimeoutError') return true
  if (error.code && (UNAVAILABLE_SQLSTATES.has(error.code) || UNAVAILABLE_CODES.has(error.code))) return true
  if (error.code?.startsWith('08')) return true
  return /Connection terminated|timeout expired|connection timeout/i.test(error.message)
}
