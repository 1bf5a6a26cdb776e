import type { Knex } from 'knex'
import type { Cursor } from '../domain/block.ts'
import type { Transaction } from '../domain/transaction.ts'
import { prepared } from './statement.ts'
import {
  COLUMNS_WITHOUT_RECEIPT,
  OPEN_STATUS_LIST,
  type TransactionRow,
  toTransaction,
} from './transaction-row.ts'

export async function readCursor(db: Knex, chain: string): Promise<Cursor | null> {
  const row: { block_number: string; attempts: number } | undefined = await db('chain_cursors')
    .where({ chain })
    .first('block_number', 'attempts')
  return row ? { blockNumber: Number(row.block_number), attempts: row.attempts } : null
}

/** Never back: of two processes that both follow for a moment, the one that is further counts. */
export async function saveCursor(db: Knex, chain: string, blockNumber: number): Promise<void> {
  await prepared(
    db,
    'confirmd-cursor-1',
    `INSERT INTO chain_cursors AS c (chain, block_number) VALUES (:chain, :blockNumber)
     ON CONFLICT (chain) DO UPDATE
        SET block_number = excluded.block_number, attempts = 0, updated_at = now()
      WHERE c.block_number < excluded.block_number`,
    { chain, blockNumber },
  )
}

/** Counts an attempt at the blocks after the cursor; returns how many there were before. */
export async function beginBlocks(db: Knex, chain: string): Promise<number> {
  const rows = await prepared<{ attempts: number }>(
    db,
    'confirmd-begin-1',
    'UPDATE chain_cursors SET attempts = attempts + 1 WHERE chain = :chain RETURNING attempts',
    { chain },
  )
  return (rows[0]?.attempts ?? 1) - 1
}

/** When the oldest transaction was recorded that the chain may still decide on; null if there is none. */
export async function oldestOpen(db: Knex, chain: string): Promise<Date | null> {
  const rows = await prepared<{ oldest: Date | null }>(
    db,
    'confirmd-oldest-1',
    // Each of the two from a partial index.
    `SELECT least(
       (SELECT min(created_at) FROM transaction_history WHERE chain = :chain AND status = 'pending'),
       (SELECT min(created_at) FROM transaction_history WHERE chain = :chain AND status = 'stalled')) AS oldest`,
    { chain },
  )
  return rows[0]?.oldest ?? null
}

/** The transactions among these that have no verdict. What is parked waits for a recheck. */
export async function findOpen(db: Knex, chain: string, txHashes: readonly string[]): Promise<Transaction[]> {
  if (txHashes.length === 0) return []
  const rows = await prepared<TransactionRow>(
    db,
    'confirmd-find-1',
    `SELECT ${COLUMNS_WITHOUT_RECEIPT} FROM transaction_history AS t
      WHERE t.chain = :chain AND t.tx_hash = ANY(:txHashes)
        AND t.status IN (${OPEN_STATUS_LIST})
        AND t.parked_at IS NULL`,
    { chain, txHashes: [...txHashes] },
  )
  return rows.map(toTransaction)
}

/** Makes the slow look at stalled and expired rows due. */
export async function wakeWatched(db: Knex, ids: readonly string[]): Promise<void> {
  await db('transaction_history')
    .whereIn('id', [...ids])
    .whereIn('status', ['stalled', 'expired'])
    .update({ next_check_at: db.fn.now(), updated_at: db.fn.now() })
}
