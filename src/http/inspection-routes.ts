import { type Diagnosis, DiagnosisView } from '../domain/diagnosis.ts'
import type { Transaction } from '../domain/transaction.ts'
import { TransactionEventView } from '../domain/transaction-event.ts'
import type { TypedApp } from './app.ts'
import { problemAnswers, TransactionId } from './schemas.ts'
import { notFound } from './transaction-routes.ts'

export interface InspectionDependencies {
  load(id: string): Promise<Transaction | null>
  listEvents(id: string): Promise<TransactionEventView[]>
  diagnose(id: string): Promise<Diagnosis | null>
}

const TAGS = ['transactions']

const TransactionEvents = {
  type: 'object',
  required: ['events'],
  properties: { events: { type: 'array', items: TransactionEventView } },
} as const

/** What became of one transaction, and why it is where it is. */
export function addInspectionRoutes(
  app: TypedApp,
  { load, listEvents, diagnose }: InspectionDependencies,
): void {
  app.get(
    '/v1/transactions/:id/events',
    {
      schema: {
        tags: TAGS,
        summary: 'The events of a transaction, and where they went',
        params: TransactionId,
        response: { 200: TransactionEvents, ...problemAnswers(400, 404) },
      },
    },
    async ({ params: { id } }) => {
      const events = await listEvents(id)
      if (events.length === 0 && !(await load(id))) throw notFound(id)
      return { events }
    },
  )

  app.get(
    '/v1/transactions/:id/diagnosis',
    {
      schema: {
        tags: TAGS,
        summary: 'Why a transaction is where it is, and what to try',
        description: 'Asks every node. For a person: nothing is decided by it.',
        params: TransactionId,
        response: { 200: DiagnosisView, ...problemAnswers(400, 404) },
      },
    },
    async ({ params: { id } }) => {
      const diagnosis = await diagnose(id)
      if (!diagnosis) throw notFound(id)
      return diagnosis
    },
  )
}
