import type { FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { type RegistrationFields, registrationProblems, toRegistration } from '../domain/registration.ts'
import { TransactionView, viewTransaction } from '../domain/transaction-view.ts'
import type { TypedApp } from './app.ts'
import { fieldProblem, Problem, toProblem } from './problem.ts'
import { problemAnswers, RegistrationBody } from './schemas.ts'
import { conflictDetail, type TransactionDependencies } from './transaction-routes.ts'

const MAX_TRANSACTIONS = 1_000
/** 4 KiB for each of them. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024

const BatchBody = Type.Object(
  {
    transactions: Type.Array(Type.Unknown(), {
      minItems: 1,
      maxItems: MAX_TRANSACTIONS,
      description: `up to ${MAX_TRANSACTIONS} bodies of POST /v1/transactions`,
    }),
  },
  { additionalProperties: false },
)

const BatchResult = Type.Object({
  status: Type.Integer({ description: 'what POST /v1/transactions would have answered for it alone' }),
  transaction: Type.Optional(TransactionView),
  problem: Type.Optional(Problem),
})
type BatchResult = Static<typeof BatchResult>

const BatchResults = Type.Object({
  results: Type.Array(BatchResult, { description: 'in the order of the transactions' }),
})

/** Many registrations in one request, each with its own answer: what is wrong with one is no matter to the others. */
export function addBatchRoute(
  app: TypedApp,
  dependencies: Pick<TransactionDependencies, 'chain' | 'submit'>,
): void {
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
        transactions.map((body) => register(request, body, dependencies)),
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

async function register(
  request: FastifyRequest,
  body: unknown,
  { chain, submit }: Pick<TransactionDependencies, 'chain' | 'submit'>,
): Promise<BatchResult> {
  const validate = request.compileValidationSchema(RegistrationBody, 'body')
  const isValid = validate(body)
  const problems = isValid
    ? registrationProblems(body as RegistrationFields, chain)
    : (validate.errors ?? []).map((error) => fieldProblem(error, 'body'))
  if (problems.length > 0) {
    const detail = problems.map(({ field, message }) => `${field} ${message}`).join('; ')
    return refused(400, detail, problems)
  }
  const { outcome, transaction } = await submit(toRegistration(body as RegistrationFields, chain, request.id))
  if (outcome === 'conflict') return refused(409, conflictDetail(transaction))
  return { status: outcome === 'recorded' ? 202 : 200, transaction: viewTransaction(transaction) }
}

function refused(...problem: Parameters<typeof toProblem>): BatchResult {
  return { status: problem[0], problem: toProblem(...problem) }
}
