import type { IncomingHttpHeaders } from 'node:http'
import {
  describeProblems,
  type Registration,
  type RegistrationFields,
  registrationProblems,
  toRegistration,
} from '../domain/registration.ts'
import { readTraceParent } from '../domain/trace-parent.ts'
import type { Recorded } from '../domain/transaction.ts'
import { type TransactionView, viewTransaction } from '../domain/transaction-view.ts'
import { ProblemError } from './problem.ts'

export interface RegisterDependencies {
  readonly chain: string
  submit(registration: Registration): Promise<Recorded>
}

/**
 * Records what fits the schema of a registration: 202 if it is new, 200 if it was known.
 * @throws ProblemError 400 if it can't be taken, 409 if it is known with other content
 */
export async function register(
  fields: RegistrationFields,
  { id, headers }: { readonly id: string; readonly headers: IncomingHttpHeaders },
  { chain, submit }: RegisterDependencies,
): Promise<{ status: 200 | 202; transaction: TransactionView }> {
  const problems = registrationProblems(fields, chain)
  if (problems.length > 0) throw new ProblemError(400, describeProblems(problems), problems)
  const { outcome, transaction } = await submit(
    toRegistration(fields, chain, id, readTraceParent(headers['traceparent'])),
  )
  if (outcome === 'conflict') {
    const { txHash } = transaction
    throw new ProblemError(
      409,
      `${txHash} is recorded already, as ${transaction.id}, with another kind, payload, from or nonce`,
    )
  }
  return { status: outcome === 'recorded' ? 202 : 200, transaction: viewTransaction(transaction) }
}
