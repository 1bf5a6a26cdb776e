import type { IncomingHttpHeaders } from 'node:http'
import {
  describeProblems,
  differingFields,
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
  /** Why a kind is not taken; null if it is. */
  refuseKind(registration: { readonly kind: string }): string | null
  submit(registration: Registration): Promise<Recorded>
}

/**
 * Records what fits the schema of a registration: 202 if it is new, 200 if it was known.
 * @throws ProblemError 400 if it can't be taken, 409 if it is known with other content, 422 if its kind is refused
 */
export async function register(
  fields: RegistrationFields,
  { id, headers }: { readonly id: string; readonly headers: IncomingHttpHeaders },
  { chain, refuseKind, submit }: RegisterDependencies,
): Promise<{ status: 200 | 202; transaction: TransactionView }> {
  const problems = registrationProblems(fields, chain)
  if (problems.length > 0) throw new ProblemError(400, describeProblems(problems), problems)
  const registration = toRegistration(fields, chain, id, readTraceParent(headers['traceparent']))
  const refused = refuseKind(registration)
  if (refused !== null) throw new ProblemError(422, refused, [{ field: 'kind', message: refused }])
  const { outcome, transaction } = await submit(registration)
  if (outcome === 'conflict') {
    const { txHash, kind, id: known } = transaction
    const problems = differingFields(registration, transaction).map((field) => ({
      field,
      message: `differs from what is recorded as ${known}`,
    }))
    const fields = problems.map(({ field }) => field).join(', ')
    throw new ProblemError(
      409,
      `${txHash} is recorded already for the kind '${kind}', as ${known}, with another ${fields}`,
      problems,
    )
  }
  return { status: outcome === 'recorded' ? 202 : 200, transaction: viewTransaction(transaction) }
}
