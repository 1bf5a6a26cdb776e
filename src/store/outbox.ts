import type { Knex } from 'knex'
import type { OutcomeEvent } from '../domain/event.ts'
import { prepared } from './statement.ts'

/** Writes events in their order, inside the transaction that makes them true. */
export async function insertEvents(trx: Knex.Transaction, events: readonly OutcomeEvent[]): Promise<void> {
  if (events.length === 0) return
  const rows = events.map(({ transactionId, status, kind, data }) => {
    return { transaction_id: transactionId, status, kind, data }
  })
  await prepared(
    trx,
    'confirmd-insert-events-1',
    `INSERT INTO outbox (id, transaction_id, status, kind, data)
     SELECT gen_random_uuid(), transaction_id, status, kind, data
       FROM json_to_recordset(CAST(:rows AS json))
         AS given (transaction_id uuid, status text, kind text, data jsonb)`,
    { rows: JSON.stringify(rows) },
  )
}
