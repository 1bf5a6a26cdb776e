import type { FastifyRequest } from 'fastify'
import type { FromSchema } from 'json-schema-to-ts'
import { describeProblems, type RegistrationFields } from '../domain/registration.ts'
import { TransactionView } from '../domain/transaction-view.ts'
import type { TypedApp } from './app.ts'
import { fieldProblem, Problem, ProblemError, toProblem } from './problem.ts'
import { type RegisterDependencies, register } from './register.ts'
import { problemAnswers, RegistrationBody } from './schemas.ts'

const MAX_TRANSACTIONS = 1_000
/** 4 KiB for each of them. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024

const BatchBody = {
  type: 'object',
  required: ['transactions'],
  additionalProperties: false,
  properties: {
    transactions: {
      type: 'array',
      items: {},
      minItems: 1,
      maxItems: MAX_TRANSACTIONS,
      description: `up to ${MAX_TRANSACTIONS} bodies of POST /v1/transactions`,
    },
  },
} as const

const BatchResult = {
  type: 'object',
  required: ['status'],
  properties: {
    status: { type: 'integer', description: 'what POST /v1/transactions would have answered for it alone' },
    transaction: TransactionView,
    problem: Problem,
  },
} as const
type BatchResult = FromSchema<typeof BatchResult>

const BatchResults = {
  type: 'object',
  required: ['results'],
  properties: {
    results: { type: 'array', items: BatchResult, description: 'in the order of the transactions' },
  },
} as const

/** Many registrations in one request, each with its own answer: what is wrong with one is no matter to the others. */
export function addBatchRoute(app: TypedApp, dependencies: RegisterDependencies): void {
  app.post(
    '/v1/transactions/batch',
    {
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        tags: ['transactions'],
        summary: 'Have many sent transactions watched',
        description: 'Answers 200 with a result for each; a result with a problem was not recorded.',
        body: BatchBody,
        response: { 200: BatchResults, ...problemAnswers(400, 413, 415) },
      },
    },
    async (request) => {
      const { transactions } = request.body
      const results = await Promise.allSettled(
        transactions.map((body) => registerOne(request, body, dependencies)),
      )
      // What befell all of them is the answer to the request: the database is away.
      const failed = results.filter((result) => result.status === 'rejected')
      if (failed[0] && failed.length === results.length) throw failed[0].reason
      if (failed[0])
        request.log.error({ err: failed[0].reason, count: failed.length }, 'registrations failed')
      return {
        results: results.map((result) => (result.status === 'fulfilled' ? result.value : NOT_RECORDED)),
      }
    },
  )
}

const NOT_RECORDED = refused(500, 'it could not be recorded; nothing was done, try again')

async function registerOne(
  request: FastifyRequest,
  body: unknown,
  dependencies: RegisterDependencies,
): Promise<BatchResult> {
  const validate = request.compileValidationSchema(RegistrationBody, 'body')
  if (!validate(body)) {
    const problems = (validate.errors ?? []).map((error) => fieldProblem(error, 'body'))
    return refused(400, describeProblems(problems), problems)
  }
  try {
    return await register(body as RegistrationFields, request, dependencies)
  } catch (error) {
    if (error instanceof ProblemError) return refused(error.statusCode, error.message, error.problems)
    throw error
  }
}

function refused(...problem: Parameters<typeof toProblem>): BatchResult {
  return { status: problem[0], problem: toProblem(...problem) }
}
