import type { Knex } from 'knex'
import type { Look } from '../domain/look.ts'
import type { Receipt } from '../domain/receipt.ts'
import type { Failure, Transaction } from '../domain/transaction.ts'
import { viewTransaction } from '../domain/transaction-view.ts'
import { runBusinessWrites } from './business-writes.ts'
import { toStoredLook, withLook } from './looks.ts'
import { prepared } from './statement.ts'
import { isoTime } from './time.ts'
import { firstOfEach, halvesAfter, together } from './together.ts'
import { OPEN_STATUS_LIST, type TransactionRow, toSeen } from './transaction-row.ts'

/** Runs inside the settle's transaction; if it throws, nothing of the settle remains. */
export type BusinessWrite = (trx: Knex.Transaction, settled: Transaction) => Promise<void>

export interface Settlement {
  /** As it was read: what the registration gave never changes, the rest is read again. */
  readonly transaction: Transaction
  readonly status: 'confirmed' | 'failed'
  readonly receipt: Receipt
  readonly failure: Failure | null
  readonly look: Look
  /** Null if there is nothing to write. */
  readonly businessWrite: BusinessWrite | null
}

/**
 * Commits verdicts, each with its business write, if it has one, and its event, in one transaction. An outcome is
 * null if the row has its verdict already: somebody else committed it, with everything. If a business write
 * fails, nothing of the transaction remains; the others are settled without it, and it is tried by itself: only
 * what fails alone has failed, not what a neighbour was in the way of.
 */
export function settleTogether(
  db: Knex,
  settlements: readonly Settlement[],
): Promise<PromiseSettledResult<Transaction | null>[]> {
  return firstOfEach(
    settlements,
    ({ transaction }) => transaction.id,
    () => null,
    async (firsts) => {
      const outcomes = await together(
        firsts,
        (items) =>
          items.some(({ businessWrite }) => businessWrite)
            ? db.transaction((trx) => settleAndWrite(trx, items))
            : settle(db, items),
        withoutFailed,
      )
      return outcomes.map(asOfOne)
    },
  )
}

/** Business writes that threw, by the id of their transaction. */
class WritesFailed extends Error {
  override readonly name = 'WritesFailed'
  readonly errors: ReadonlyMap<string, unknown>
  constructor(errors: ReadonlyMap<string, unknown>) {
    super(`${errors.size} business write(s) failed`)
    this.errors = errors
  }
}

function withoutFailed(items: readonly Settlement[], error: unknown): readonly (readonly Settlement[])[] {
  if (!(error instanceof WritesFailed)) return halvesAfter(items, error)
  const others = items.filter(({ transaction }) => !error.errors.has(transaction.id))
  const failed = items.filter(({ transaction }) => error.errors.has(transaction.id))
  return [...(others.length > 0 ? [others] : []), ...failed.map((item) => [item])]
}

/** What a settlement that was tried alone failed of. */
function asOfOne<O>(outcome: PromiseSettledResult<O>): PromiseSettledResult<O> {
  if (outcome.status === 'fulfilled' || !(outcome.reason instanceof WritesFailed)) return outcome
  return { status: 'rejected', reason: [...outcome.reason.errors.values()][0] }
}

async function settleAndWrite(
  trx: Knex.Transaction,
  settlements: readonly Settlement[],
): Promise<(Transaction | null)[]> {
  const settled = await settle(trx, settlements)
  const writes = settlements.flatMap(({ transaction: { id }, businessWrite }, index) => {
    const changed = settled[index]
    return changed && businessWrite
      ? [{ id, run: (own: Knex.Transaction) => businessWrite(own, changed) }]
      : []
  })
  const errors = await runBusinessWrites(trx, writes)
  if (errors.size > 0) throw new WritesFailed(errors)
  return settled
}

/** What may have changed since the transaction was read, and is not set by the settle. */
const CHANGEABLE = [
  ...['id', 'retry_count', 'handler_attempts', 'last_checked_at', 'stalled_at', 'settled_at'],
  ...['seen_sender', 'seen_nonce', 'evidence'],
] as const satisfies (keyof TransactionRow)[]

/**
 * Verdicts and events in one statement: without a business write it is a transaction by itself. Locked in the order of
 * their ids: two batches that share rows wait for each other, and never in a circle.
 */
const SETTLE = `
  WITH given AS (
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
      id uuid, status text, failure_code text, failure_name text, block_number bigint, block_hash text,
      transaction_index integer, gas_used numeric, effective_gas_price numeric, receipt jsonb,
      kind text, trace_parent text, view jsonb, look jsonb)
  ), locked AS (
    SELECT id FROM transaction_history
     WHERE id = ANY(CAST(:ids AS uuid[])) AND status IN (${OPEN_STATUS_LIST})
     ORDER BY id
       FOR UPDATE
  ), settled AS (
  UPDATE transaction_history AS t
     SET status = given.status,
         next_check_at = NULL, parked_at = NULL, leased_until = NULL, lease_count = 0,
         consecutive_errors = 0, last_error = NULL,
         last_checked_at = now(), updated_at = now(), settled_at = clock_timestamp(),
         failure_code = given.failure_code, failure_name = given.failure_name,
         block_number = given.block_number, block_hash = given.block_hash,
         transaction_index = given.transaction_index, gas_used = given.gas_used,
         effective_gas_price = given.effective_gas_price, receipt = given.receipt,
         looks = ${withLook('t', 'given.look')}
    FROM given JOIN locked USING (id)
   WHERE t.id = given.id AND t.status IN (${OPEN_STATUS_LIST})
  RETURNING ${CHANGEABLE.map((column) => `t.${column}`).join(', ')}
  ), announced AS (
    INSERT INTO outbox (id, subject, transaction_id, status, kind, trace_parent, data)
    SELECT gen_random_uuid(), 'transaction', settled.id, given.status, given.kind, given.trace_parent,
           given.view || jsonb_build_object(
             'retryCount', settled.retry_count,
             'lastCheckedAt', ${isoTime('settled.last_checked_at')},
             'settledAt', ${isoTime('settled.settled_at')})
      FROM settled JOIN given USING (id)
  )
  SELECT ${CHANGEABLE.join(', ')} FROM settled`

async function settle(db: Knex, settlements: readonly Settlement[]): Promise<(Transaction | null)[]> {
  const rows = settlements.map((settlement) => {
    const { transaction, status, receipt, failure, look } = settlement
    return {
      id: transaction.id,
      status,
      failure_code: failure?.code,
      failure_name: failure?.name,
      block_number: receipt.blockNumber,
      block_hash: receipt.blockHash,
      transaction_index: receipt.transactionIndex,
      gas_used: receipt.gasUsed,
      effective_gas_price: receipt.effectiveGasPriceWei,
      receipt: receipt.raw,
      kind: transaction.kind,
      trace_parent: transaction.traceParent,
      look: toStoredLook(look),
      // But for what only the row knows: the statement fills that in.
      view: viewTransaction(toSettled(settlement, asRead(transaction))),
    }
  })
  const changed = await prepared<Changeable>(db, 'confirmd-settle-2', SETTLE, {
    rows: JSON.stringify(rows),
    ids: rows.map(({ id }) => id),
  })
  const byId = new Map(changed.map((row) => [row.id, row]))
  return settlements.map((settlement) => {
    const row = byId.get(settlement.transaction.id)
    return row ? toSettled(settlement, row) : null
  })
}

type Changeable = Pick<TransactionRow, (typeof CHANGEABLE)[number]>

function asRead(transaction: Transaction): Changeable {
  return {
    id: transaction.id,
    retry_count: transaction.retryCount,
    handler_attempts: transaction.handlerAttempts,
    last_checked_at: transaction.lastCheckedAt,
    stalled_at: transaction.stalledAt,
    settled_at: null,
    seen_sender: null,
    seen_nonce: null,
    evidence: null,
  }
}

function toSettled({ transaction, status, receipt, failure }: Settlement, row: Changeable): Transaction {
  const { blockNumber, blockHash, transactionIndex, gasUsed, effectiveGasPriceWei } = receipt
  return {
    ...transaction,
    ...toSeen(row),
    status,
    retryCount: row.retry_count,
    handlerAttempts: row.handler_attempts,
    consecutiveErrors: 0,
    nextCheckAt: null,
    lastCheckedAt: row.last_checked_at,
    parkedAt: null,
    stalledAt: row.stalled_at,
    lastError: null,
    failure,
    inclusion: { blockNumber, blockHash, transactionIndex, gasUsed, effectiveGasPriceWei },
    receipt: receipt.raw,
    settledAt: row.settled_at,
  }
}
