import type { Knex } from 'knex'
import { v7 as uuidv7 } from 'uuid'
import type { Registration } from '../domain/registration.ts'
import { type Recorded, recordedTransaction } from '../domain/transaction.ts'
import { prepared } from './statement.ts'
import { together } from './together.ts'
import { COLUMNS_OF_T, type TransactionRow, toTransaction } from './transaction-row.ts'

/**
 * Records transactions as pending, due at once. The unique key on (chain, tx_hash, kind) decides between
 * concurrent registrations, of this batch too, so exactly one of them is `recorded`.
 */
export async function recordTogether(
  db: Knex,
  registrations: readonly Registration[],
): Promise<PromiseSettledResult<Recorded>[]> {
  return together(registrations, (each) => recordAll(db, each))
}

async function recordAll(db: Knex, registrations: readonly Registration[]): Promise<Recorded[]> {
  const given = new Map(registrations.map((registration) => [uuidv7(), registration]))
  const contents = [...given].map(([id, registration]) => ({ id, ...contentOf(registration) }))
  const recorded = new Map<string, Recorded>()
  let left = contents
  while (left.length > 0) {
    for (const { id, created_at: createdAt, next_check_at: nextCheckAt } of await insert(db, left)) {
      const registration = given.get(id) as Registration
      const transaction = recordedTransaction(registration, { id, createdAt, nextCheckAt })
      recorded.set(id, { outcome: 'recorded', transaction })
    }
    left = left.filter(({ id }) => !recorded.has(id))
    for (const { asked_id: id, same_content: isSame, ...row } of await findKnown(db, left)) {
      recorded.set(id, { outcome: isSame ? 'known' : 'conflict', transaction: toTransaction(row) })
    }
    // What is still left was removed between the two statements: the insert can succeed now.
    left = left.filter(({ id }) => !recorded.has(id))
  }
  return contents.map(({ id }) => recorded.get(id) as Recorded)
}

function contentOf({
  chain,
  txHash,
  kind,
  payload,
  sender,
  nonce,
  correlationId,
  traceParent,
}: Registration) {
  return {
    chain,
    tx_hash: txHash,
    kind,
    payload: [payload],
    sender,
    nonce,
    correlation_id: correlationId,
    trace_parent: traceParent,
  }
}

type Content = ReturnType<typeof contentOf> & { readonly id: string }

/** In an array of one, or a payload that is null would become no payload. */
const GIVEN = `jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
  id uuid, chain text, tx_hash text, kind text, payload jsonb, sender text, nonce bigint, correlation_id text,
  trace_parent text)`

type Inserted = Pick<TransactionRow, 'id' | 'created_at' | 'next_check_at'>

/** In the order of the key: two batches that share keys wait for each other, and never in a circle. */
async function insert(db: Knex, contents: readonly Content[]): Promise<Inserted[]> {
  return prepared<Inserted>(
    db,
    'confirmd-record-2',
    `INSERT INTO :schema:.transaction_history AS t
            (id, chain, tx_hash, kind, payload, sender, nonce, correlation_id, trace_parent)
     SELECT id, chain, tx_hash, kind, payload -> 0, sender, nonce, correlation_id, trace_parent
       FROM ${GIVEN}
      ORDER BY chain, tx_hash, kind
     ON CONFLICT (chain, tx_hash, kind) DO NOTHING
     RETURNING t.id, t.created_at, t.next_check_at`,
    { rows: JSON.stringify(contents) },
  )
}

async function findKnown(
  db: Knex,
  contents: readonly Content[],
): Promise<(TransactionRow & { asked_id: string; same_content: boolean })[]> {
  if (contents.length === 0) return []
  return prepared(
    db,
    'confirmd-known-2',
    `SELECT ${COLUMNS_OF_T}, given.id AS asked_id,
            t.payload = given.payload -> 0
              AND t.sender IS NOT DISTINCT FROM given.sender
              AND t.nonce IS NOT DISTINCT FROM given.nonce AS same_content
       FROM ${GIVEN} JOIN :schema:.transaction_history AS t USING (chain, tx_hash, kind)`,
    { rows: JSON.stringify(contents) },
  )
}
