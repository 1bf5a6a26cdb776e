import type { Knex } from 'knex'
import { rejected } from '../domain/batch.ts'
import { WriteFailedError } from '../domain/handler.ts'
import type { Look } from '../domain/look.ts'
import type { Receipt } from '../domain/receipt.ts'
import { storableText } from '../domain/storable-text.ts'
import type { Failure, Transaction, WriteState } from '../domain/transaction.ts'
import { viewTransaction } from '../domain/transaction-view.ts'
import { runBusinessWrites, toCommitFailure } from './business-writes.ts'
import { toStoredLook, withLook } from './looks.ts'
import { prepared, raw } from './statement.ts'
import { isRefusedData, reasonOf } from './statement-errors.ts'
import { isoTime } from './time.ts'
import { firstOfEach, halvesAfter, together } from './together.ts'
import { OPEN_STATUS_LIST, type TransactionRow, toSeen } from './transaction-row.ts'
import type { WriteLimits } from './write-limits.ts'
import { READ_WRITE_INSIDE, RELEASE_GUARD, withWriteSession } from './write-session.ts'

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
  readonly writeState: WriteState
  /** Only while no kind was ever handled in this database: a process with handlers may have come meanwhile. */
  readonly onlyIfNoneHandled: boolean
}

/** What became of a verdict. `busy`: the row is locked, or may not be settled without a write: check it again soon. */
export type SettleOutcome =
  | { readonly kind: 'settled'; readonly transaction: Transaction }
  /** Somebody else committed the verdict, with everything. */
  | { readonly kind: 'already' }
  | { readonly kind: 'busy' }

/**
 * Commits verdicts, each with its business write, if it has one, and its event, in one database transaction. If a
 * business write fails, nothing of the database transaction remains; the others are settled without it. What fails is
 * rejected with a WriteFailedError: it is tried again by itself, since only what fails alone has failed.
 */
export function settleTogether(
  db: Knex,
  settlements: readonly Settlement[],
  limits: WriteLimits,
): Promise<PromiseSettledResult<SettleOutcome>[]> {
  return firstOfEach(
    settlements,
    ({ transaction }) => transaction.id,
    () => ({ kind: 'already' as const }),
    async (firsts) => {
      const outcomes = await together(
        firsts,
        (items) =>
          items.some(({ businessWrite }) => businessWrite)
            ? settleAndWrite(db, items, limits)
            : settle(db, items).then(({ outcomes: settled }) => settled),
        withoutFailed,
      )
      return outcomes.map((outcome, index) => asOfOne(outcome, firsts[index]))
    },
  )
}

/** Business writes that failed, by the id of their transaction. */
class WritesFailed extends Error {
  override readonly name = 'WritesFailed'
  readonly failures: ReadonlyMap<string, WriteFailedError>
  constructor(failures: ReadonlyMap<string, WriteFailedError>) {
    super(`${failures.size} business write(s) failed`)
    this.failures = failures
  }
}

/** The database transaction of several business writes could not be committed: any of them may be the reason. */
class CommitFailed extends Error {
  override readonly name = 'CommitFailed'
}

/** Those that failed are not tried again here. */
function withoutFailed(items: readonly Settlement[], error: unknown): readonly (readonly Settlement[])[] {
  if (error instanceof CommitFailed) return []
  if (!(error instanceof WritesFailed)) return halvesAfter(items, error)
  const others = items.filter(({ transaction }) => !error.failures.has(transaction.id))
  return others.length > 0 && others.length < items.length ? [others] : []
}

/** Why this one of them was not settled. */
function asOfOne(
  outcome: PromiseSettledResult<SettleOutcome>,
  settlement: Settlement | undefined,
): PromiseSettledResult<SettleOutcome> {
  if (outcome.status === 'fulfilled' || !settlement) return outcome
  const { id, kind } = settlement.transaction
  const { reason } = outcome
  if (reason instanceof WritesFailed) return rejected(reason.failures.get(id) ?? reason)
  if (reason instanceof CommitFailed) return rejected(toCommitFailure(reason.cause, kind))
  if (isRefusedData(reason)) {
    return rejected(new WriteFailedError('refused-data', kind, reasonOf(reason), reason))
  }
  return outcome
}

async function settleAndWrite(
  db: Knex,
  settlements: readonly Settlement[],
  limits: WriteLimits,
): Promise<SettleOutcome[]> {
  return withWriteSession(db, limits, async (trx) => {
    const begun = await raw<{ rows: { pid?: number }[] }[]>(trx, READ_WRITE_INSIDE)
    const pid = begun.flatMap(({ rows }) => rows)[0]?.pid ?? 0
    const { outcomes, xid } = await settle(trx, settlements)
    if (xid === null) {
      await trx.raw(RELEASE_GUARD)
      return outcomes
    }
    const writes = settlements.flatMap(({ transaction: { id, kind }, businessWrite }, index) => {
      const outcome = outcomes[index]
      return outcome?.kind === 'settled' && businessWrite
        ? [{ id, kind, run: (own: Knex.Transaction) => businessWrite(own, outcome.transaction) }]
        : []
    })
    const failures = await runBusinessWrites(trx, writes, {
      xid,
      limits,
      terminate: () => terminate(db, pid),
    })
    if (failures.size > 0) throw new WritesFailed(failures)
    await commitVerified(trx, xid)
    return outcomes
  })
}

/**
 * Announces the COMMIT to the guard that refuses all others, and commits, in one message, so that no statement that
 * a business write left behind comes between. AND CHAIN: knex ends its transaction with a COMMIT of its own, which finds
 * an empty one.
 */
export async function commitVerified(trx: Knex.Transaction, xid: string): Promise<void> {
  let results: { command: string; rows: { xid?: string }[] }[]
  try {
    results = await trx.raw(`SELECT set_config('confirmd.committing', '${xid}', true),
        pg_current_xact_id_if_assigned()::text AS xid; COMMIT AND CHAIN`)
  } catch (error) {
    throw new CommitFailed('the database transaction of the business writes was not committed', {
      cause: error,
    })
  }
  const [announced, committed] = results
  if (announced?.rows[0]?.xid === xid && committed?.command === 'COMMIT') return
  const cause = new Error(
    'a business write ended the database transaction, or a statement of it failed unseen',
  )
  throw new CommitFailed('the database transaction of the business writes was not committed', { cause })
}

/** Without this a statement that hangs would keep its locks for as long as it takes. */
export async function terminate(db: Knex, pid: number): Promise<void> {
  await db.raw('SELECT pg_terminate_backend(:pid)', { pid }).then(
    () => undefined,
    () => undefined,
  )
}

/** What may have changed since the transaction was read, and is not set by the settle. */
const CHANGEABLE = [
  ...['id', 'retry_count', 'handler_attempts', 'last_checked_at', 'stalled_at', 'settled_at'],
  ...['seen_sender', 'seen_nonce', 'evidence'],
] as const satisfies (keyof TransactionRow)[]

/**
 * Verdicts and events in one statement: without a business write it is a transaction by itself. A row that somebody else
 * has locked is passed over, so that it holds up no other.
 */
const SETTLE = `
  WITH given AS (
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
      id uuid, chain text, status text, failure_code text, failure_name text, block_number bigint,
      block_hash text, transaction_index integer, gas_used numeric, effective_gas_price numeric, receipt jsonb,
      kind text, trace_parent text, write_state text, only_if_none_handled boolean, seen_sender text,
      seen_nonce bigint, note text, view jsonb, look jsonb)
  ), locked AS (
    SELECT id FROM :schema:.transaction_history
     WHERE id = ANY(CAST(:ids AS uuid[])) AND status IN (${OPEN_STATUS_LIST})
     ORDER BY id
       FOR NO KEY UPDATE SKIP LOCKED
  ), settled AS (
  UPDATE :schema:.transaction_history AS t
     SET status = given.status,
         next_check_at = NULL, parked_at = NULL, park_code = NULL, leased_until = NULL, lease_count = 0,
         consecutive_errors = 0, absent_checks = 0, last_error = given.note, replaced_by = NULL,
         last_checked_at = now(), updated_at = now(), settled_at = clock_timestamp(),
         failure_code = given.failure_code, failure_name = given.failure_name,
         block_number = given.block_number, block_hash = given.block_hash,
         transaction_index = given.transaction_index, gas_used = given.gas_used,
         effective_gas_price = given.effective_gas_price, receipt = given.receipt,
         write_state = given.write_state,
         seen_sender = coalesce(given.seen_sender, t.seen_sender),
         seen_nonce = coalesce(given.seen_nonce, t.seen_nonce),
         looks = ${withLook('t', 'given.look')}
    FROM given JOIN locked USING (id)
   WHERE t.id = given.id AND t.status IN (${OPEN_STATUS_LIST})
     AND NOT (given.only_if_none_handled
              AND EXISTS (SELECT 1 FROM :schema:.handled_kinds AS h WHERE h.chain = given.chain))
  RETURNING ${CHANGEABLE.map((column) => `t.${column}`).join(', ')}
  ), announced AS (
    INSERT INTO :schema:.outbox (id, subject, transaction_id, chain, status, kind, trace_parent, data)
    SELECT gen_random_uuid(), 'transaction', settled.id, given.chain, given.status, given.kind, given.trace_parent,
           given.view || jsonb_build_object(
             'retryCount', settled.retry_count,
             'lastCheckedAt', ${isoTime('settled.last_checked_at')},
             'settledAt', ${isoTime('settled.settled_at')})
      FROM settled JOIN given USING (id)
  )
  SELECT ${CHANGEABLE.join(', ')}, pg_current_xact_id()::text AS xid FROM settled`

async function settle(
  db: Knex,
  settlements: readonly Settlement[],
): Promise<{ outcomes: SettleOutcome[]; xid: string | null }> {
  const rows = settlements.map((settlement) => {
    const { transaction, status, receipt, failure, look } = settlement
    return {
      id: transaction.id,
      chain: transaction.chain,
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
      write_state: settlement.writeState,
      only_if_none_handled: settlement.onlyIfNoneHandled,
      seen_sender: receipt.sender,
      seen_nonce: receipt.nonce,
      note: noteOf(receipt),
      look: toStoredLook(look),
      // But for what only the row knows: the statement fills that in.
      view: viewTransaction(toSettled(settlement, asRead(transaction))),
    }
  })
  const changed = await prepared<Changeable & { xid: string }>(db, 'confirmd-settle-4', SETTLE, {
    rows: JSON.stringify(rows),
    ids: rows.map(({ id }) => id),
  })
  const byId = new Map(changed.map((row) => [row.id, row]))
  const missing = rows.filter(({ id }) => !byId.has(id)).map(({ id }) => id)
  const open = missing.length > 0 ? await findOpenIds(db, missing) : new Set<string>()
  const outcomes = settlements.map((settlement): SettleOutcome => {
    const { id } = settlement.transaction
    const row = byId.get(id)
    if (row) return { kind: 'settled', transaction: toSettled(settlement, row) }
    return open.has(id) ? { kind: 'busy' } : { kind: 'already' }
  })
  return { outcomes, xid: changed[0]?.xid ?? null }
}

/** What of the receipt was left out or made storable; null where all of it came as it should. */
function noteOf({ notes }: Receipt): string | null {
  return notes.length > 0 ? storableText(notes.join('; ')) : null
}

async function findOpenIds(db: Knex, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await prepared<{ id: string }>(
    db,
    'confirmd-find-open-ids-1',
    `SELECT id FROM :schema:.transaction_history WHERE id = ANY(CAST(:ids AS uuid[])) AND status IN (${OPEN_STATUS_LIST})`,
    { ids: [...ids] },
  )
  return new Set(rows.map(({ id }) => id))
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

function toSettled(
  { transaction, status, receipt, failure, writeState }: Settlement,
  row: Changeable,
): Transaction {
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
    absentChecks: 0,
    parkedAt: null,
    stalledAt: row.stalled_at,
    lastError: noteOf(receipt),
    failure,
    inclusion: { blockNumber, blockHash, transactionIndex, gasUsed, effectiveGasPriceWei },
    receipt: receipt.raw,
    writeState,
    replacedBy: null,
    settledAt: row.settled_at,
  }
}
