import type { Knex } from 'knex'
import type { Receipt } from '../domain/receipt.ts'
import type { Transaction } from '../domain/transaction.ts'
import { MAX_WRITES, runBusinessWrites } from './business-writes.ts'
import { commitVerified, terminate } from './settle.ts'
import { prepared, raw } from './statement.ts'
import { COLUMNS_OF_T, type TransactionRow, toTransaction } from './transaction-row.ts'
import { writeLimits } from './write-limits.ts'
import { READ_WRITE_INSIDE, RELEASE_GUARD, withWriteSession } from './write-session.ts'

/** Which settled transactions have had no business write. */
export interface UnwrittenSelection {
  readonly chain: string
  readonly kind: string
  /** Also those of which it is not recorded. */
  readonly unknown: boolean
}

const UNWRITTEN = `t.status IN ('confirmed', 'failed') AND (t.write_state = 'none' OR (:unknown AND t.write_state IS NULL))`

/** The oldest first, after an id; at most as many as are handled together. */
export async function listUnwritten(
  db: Knex,
  { chain, kind, unknown }: UnwrittenSelection,
  after: string | null,
): Promise<Transaction[]> {
  const rows = await prepared<TransactionRow>(
    db,
    'confirmd-list-unwritten-1',
    `SELECT ${COLUMNS_OF_T} FROM :schema:.transaction_history AS t
      WHERE t.chain = :chain AND t.kind = :kind AND ${UNWRITTEN}
        AND t.id > COALESCE(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000')
      ORDER BY t.id LIMIT ${MAX_WRITES}`,
    { chain, kind, unknown, after },
  )
  return rows.map(toTransaction)
}

/**
 * Runs the business write of a settled transaction and notes that it ran, in one database transaction. False if it has
 * run already, or the row is gone. Rejects with a WriteFailedError; nothing is changed then.
 */
export async function writeAfterwards(
  db: Knex,
  options: { id: string; kind: string; unknown: boolean; handlerTimeoutMs: number },
  businessWrite: (trx: Knex.Transaction, settled: Transaction) => Promise<void>,
): Promise<boolean> {
  const { id, kind, unknown } = options
  const limits = writeLimits(options.handlerTimeoutMs)
  return withWriteSession(db, limits, async (trx) => {
    const begun = await raw<{ rows: { pid?: number }[] }[]>(trx, READ_WRITE_INSIDE)
    const pid = begun.flatMap(({ rows }) => rows)[0]?.pid ?? 0
    const [row] = await prepared<TransactionRow & { xid: string }>(
      trx,
      'confirmd-write-afterwards-1',
      `UPDATE :schema:.transaction_history AS t SET write_state = 'done', updated_at = now()
        WHERE t.id = :id AND ${UNWRITTEN}
       RETURNING ${COLUMNS_OF_T}, pg_current_xact_id()::text AS xid`,
      { id, unknown },
    )
    if (!row) {
      await trx.raw(RELEASE_GUARD)
      return false
    }
    const run = (own: Knex.Transaction) => businessWrite(own, toTransaction(row))
    const failures = await runBusinessWrites(trx, [{ id, kind, run }], {
      xid: row.xid,
      limits,
      terminate: () => terminate(db, pid),
    })
    const [failure] = failures.values()
    if (failure) throw failure
    await commitVerified(trx, row.xid)
    return true
  })
}

/** The receipt of a settled transaction, as its row kept it. */
export function keptReceipt(transaction: Transaction): Receipt | null {
  const { txHash, status, failure, inclusion, receipt, seen } = transaction
  if (!inclusion) return null
  return {
    ...inclusion,
    txHash,
    succeeded: status === 'confirmed',
    sender: seen?.sender ?? null,
    nonce: seen?.nonce ?? null,
    txError: failure?.code ?? null,
    raw: receipt,
    notes: [],
  }
}
