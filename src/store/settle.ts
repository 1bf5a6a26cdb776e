import type { Knex } from 'knex'
import { v7 as uuidv7 } from 'uuid'
import { type AnnouncedStatus, type OutcomeEvent, outcomeEvent } from '../domain/event.ts'
import type { Notes } from '../domain/finality.ts'
import type { Receipt } from '../domain/receipt.ts'
import type { ReplacementLook } from '../domain/replacement.ts'
import type { Failure, Transaction, TransactionStatus } from '../domain/transaction.ts'
import { OPEN_STATUSES } from '../domain/transaction.ts'
import { noteColumns } from './notes.ts'
import { type TransactionRow, toTransaction } from './transaction-row.ts'

export interface FinalReceipt {
  readonly status: 'confirmed' | 'failed'
  readonly receipt: Receipt
  readonly failure: Failure | null
}

/** Runs inside the settle's transaction; if it throws, nothing of the settle remains. */
export type BusinessWrite = (trx: Knex.Transaction, settled: Transaction) => Promise<void>

/**
 * Commits a verdict, its business write, if it has one, and its event together.
 * Returns null if the row has its verdict already: somebody else committed it, with everything.
 */
export async function settle(
  db: Knex,
  id: string,
  { status, receipt, failure }: FinalReceipt,
  businessWrite: BusinessWrite | null,
): Promise<Transaction | null> {
  return db.transaction(async (trx) => {
    const settled = await update(trx, id, OPEN_STATUSES, {
      status,
      next_check_at: null,
      parked_at: null,
      consecutive_errors: 0,
      last_error: null,
      last_checked_at: trx.fn.now(),
      settled_at: trx.raw('clock_timestamp()'),
      failure_code: failure?.code ?? null,
      failure_name: failure?.name ?? null,
      block_number: receipt.blockNumber,
      block_hash: receipt.blockHash,
      transaction_index: receipt.transactionIndex,
      gas_used: receipt.gasUsed,
      effective_gas_price: receipt.effectiveGasPriceWei,
      receipt: JSON.stringify(receipt.raw),
    })
    if (!settled) return null
    if (businessWrite) await withinSavepoint(trx, (savepoint) => businessWrite(savepoint, settled))
    await insertEvent(trx, outcomeEvent(settled, status))
    return settled
  })
}

/**
 * A savepoint of its own: a handler that ends its transaction by itself ends only that. knex takes the
 * savepoint's end for the end of the work, so the work itself is awaited as well.
 */
async function withinSavepoint(
  trx: Knex.Transaction,
  work: (savepoint: Knex.Transaction) => Promise<void>,
): Promise<void> {
  let working: Promise<void> = Promise.resolve()
  await trx.transaction((savepoint) => {
    working = work(savepoint)
    return working
  })
  await working
}

/**
 * Commits that another transaction took the nonce, with the evidence and the event. Null if the row has moved on,
 * or no longer has the looks that the evidence was added to: a recheck or another look has voided them.
 */
export async function settleReplaced(
  db: Knex,
  id: string,
  { evidence, expectedLooks }: { evidence: readonly ReplacementLook[]; expectedLooks: number },
): Promise<Transaction | null> {
  return announceStep(db, id, ['pending', 'stalled'], 'replaced', {
    fence: (row) => void row.whereRaw('coalesce(jsonb_array_length(evidence), 0) = ?', [expectedLooks]),
    evidence: JSON.stringify(evidence),
    next_check_at: null,
    parked_at: null,
    settled_at: db.raw('clock_timestamp()'),
  })
}

/** pending → stalled, with its event. Null if the row has moved on since `retryCount`. */
export async function stall(
  db: Knex,
  id: string,
  { retryCount, nextCheckInMs, notes }: { retryCount: number; nextCheckInMs: number; notes: Notes },
): Promise<Transaction | null> {
  return announceStep(db, id, ['pending'], 'stalled', {
    fence: (row) => void row.where({ retry_count: retryCount }),
    ...noteColumns(notes),
    stalled_at: db.raw('clock_timestamp()'),
    next_check_at: inMs(db, nextCheckInMs),
  })
}

/** stalled → expired, with its event. Null if the row has moved on. */
export async function expire(db: Knex, id: string): Promise<Transaction | null> {
  return announceStep(db, id, ['stalled'], 'expired', { fence: NO_FENCE, next_check_at: null })
}

/** A time from now, by the database's clock. */
export function inMs(db: Knex, delayMs: number): Knex.Raw {
  return db.raw(`clock_timestamp() + :delayMs * interval '1 millisecond'`, { delayMs })
}

/** What a row must have besides its status. */
type Fence = (row: Knex.QueryBuilder) => void
const NO_FENCE: Fence = () => undefined

async function announceStep(
  db: Knex,
  id: string,
  from: readonly TransactionStatus[],
  status: AnnouncedStatus,
  { fence, ...changes }: { fence: Fence } & Record<string, unknown>,
): Promise<Transaction | null> {
  return db.transaction(async (trx) => {
    const fields = {
      ...changes,
      status,
      consecutive_errors: 0,
      last_error: null,
      last_checked_at: trx.fn.now(),
    }
    const moved = await update(trx, id, from, fields, fence)
    if (moved) await insertEvent(trx, outcomeEvent(moved, status))
    return moved
  })
}

async function update(
  trx: Knex.Transaction,
  id: string,
  from: readonly TransactionStatus[],
  changes: Record<string, unknown>,
  fence: Fence = NO_FENCE,
): Promise<Transaction | null> {
  const rows: TransactionRow[] = await trx('transaction_history')
    .where({ id })
    .modify(fence)
    .whereIn('status', from)
    .update({ ...changes, leased_until: null, lease_count: 0, updated_at: trx.fn.now() })
    .returning('*')
  return rows[0] ? toTransaction(rows[0]) : null
}

async function insertEvent(trx: Knex.Transaction, event: OutcomeEvent): Promise<void> {
  await trx('outbox').insert({
    id: uuidv7(),
    transaction_id: event.transactionId,
    status: event.status,
    kind: event.kind,
    data: JSON.stringify(event.data),
  })
}
