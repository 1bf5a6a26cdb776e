import type { Knex } from 'knex'
import type { NewEvent, StoredEvent } from '../domain/event.ts'
import { prepared } from './statement.ts'

/** Writes events in their order, inside the transaction that makes them true. */
export async function insertEvents(trx: Knex.Transaction, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return
  const rows = events.map(({ subject, transactionId, chain, status, kind, traceParent, data }) => {
    return { subject, transaction_id: transactionId, chain, status, kind, trace_parent: traceParent, data }
  })
  await prepared(
    trx,
    'confirmd-insert-events-3',
    `INSERT INTO :schema:.outbox (id, subject, transaction_id, chain, status, kind, trace_parent, data)
     SELECT gen_random_uuid(), subject, transaction_id, chain, status, kind, trace_parent, data
       FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS given (subject text, transaction_id uuid, chain text, status text, kind text, trace_parent text, data jsonb)`,
    { rows: JSON.stringify(rows) },
  )
}

/** What `toStoredEvent` needs of `outbox AS o`. */
export const EVENT_COLUMNS =
  'o.sequence, o.id, o.subject, o.transaction_id, o.status, o.kind, o.created_at, o.trace_parent, o.data'

export interface EventRow {
  readonly sequence: string | null
  readonly id: string
  readonly subject: string
  readonly transaction_id: string | null
  readonly status: string
  readonly kind: string
  readonly created_at: Date
  readonly trace_parent: string | null
  readonly data: StoredEvent['data']
}

export function toStoredEvent(row: EventRow): StoredEvent {
  return {
    sequence: row.sequence === null ? null : Number(row.sequence),
    id: row.id,
    subject: row.subject,
    transactionId: row.transaction_id,
    status: row.status,
    kind: row.kind,
    createdAt: row.created_at,
    traceParent: row.trace_parent,
    data: row.data,
  }
}
