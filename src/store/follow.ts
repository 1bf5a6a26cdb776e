import type { Knex } from 'knex'
import type { Cursor } from '../domain/block.ts'
import type { Transaction } from '../domain/transaction.ts'
import { qualified } from './schema.ts'
import { prepared, raw } from './statement.ts'
import {
  COLUMNS_WITHOUT_RECEIPT,
  OPEN_STATUS_LIST,
  type TransactionRow,
  toTransaction,
} from './transaction-row.ts'

export async function readCursor(db: Knex, chain: string): Promise<Cursor | null> {
  const row: { block_number: string; block_hash: string | null } | undefined = await db(
    qualified(db, 'chain_cursors'),
  )
    .where({ chain })
    .first('block_number', 'block_hash')
  return row ? { blockNumber: Number(row.block_number), hash: row.block_hash } : null
}

/** Moves the cursor on, never back: of two processes that both follow for a moment, the one that is further counts. */
export async function saveCursor(db: Knex, chain: string, { blockNumber, hash }: Cursor): Promise<void> {
  await prepared(
    db,
    'confirmd-cursor-2',
    `INSERT INTO :schema:.chain_cursors AS c (chain, block_number, block_hash) VALUES (:chain, :blockNumber, :hash)
     ON CONFLICT (chain) DO UPDATE
        SET block_number = excluded.block_number, block_hash = excluded.block_hash, updated_at = now()
      WHERE c.block_number < excluded.block_number`,
    { chain, blockNumber, hash },
  )
}

/** Moves the cursor back, because the blocks after it turned out not to be on the chain; never on. */
export async function rewindCursor(db: Knex, chain: string, { blockNumber, hash }: Cursor): Promise<void> {
  await db(qualified(db, 'chain_cursors'))
    .where({ chain })
    .where('block_number', '>=', blockNumber)
    .update({ block_number: blockNumber, block_hash: hash, updated_at: db.fn.now() })
}

/** When the oldest transaction was recorded that is still checked for its first verdict; null if there is none. */
export async function oldestOpen(db: Knex, chain: string): Promise<Date | null> {
  const rows = await prepared<{ oldest: Date | null }>(
    db,
    'confirmd-oldest-2',
    // Each of the two is read from a partial index.
    `SELECT least(
       (SELECT min(created_at) FROM :schema:.transaction_history
         WHERE chain = :chain AND status = 'pending' AND parked_at IS NULL),
       (SELECT min(created_at) FROM :schema:.transaction_history
         WHERE chain = :chain AND status = 'stalled' AND parked_at IS NULL)) AS oldest`,
    { chain },
  )
  return rows[0]?.oldest ?? null
}

/** An open transaction, and when it was read, by the database's clock. */
export interface FoundTransaction {
  readonly transaction: Transaction
  readonly now: Date
}

/** The transactions among these that are open to a receipt. A parked one waits for a recheck. */
export async function findOpen(
  db: Knex,
  chain: string,
  txHashes: readonly string[],
): Promise<FoundTransaction[]> {
  if (txHashes.length === 0) return []
  const rows = await prepared<TransactionRow & { now: Date }>(
    db,
    'confirmd-find-2',
    `SELECT ${COLUMNS_WITHOUT_RECEIPT}, clock_timestamp() AS now FROM :schema:.transaction_history AS t
      WHERE t.chain = :chain AND t.tx_hash = ANY(:txHashes)
        AND t.status IN (${OPEN_STATUS_LIST})
        AND t.parked_at IS NULL`,
    { chain, txHashes: [...txHashes] },
  )
  return rows.map((row) => ({ transaction: toTransaction(row), now: row.now }))
}

/**
 * Makes the check of those transactions due that have no message in the queue. A row that is locked is left out: it is
 * being settled at this moment, perhaps by a business write that takes long, for which the follower must not wait.
 */
export async function wakeWatched(db: Knex, ids: readonly string[]): Promise<void> {
  await raw(
    db,
    `UPDATE :schema:.transaction_history
        SET next_check_at = clock_timestamp(), updated_at = now()
      WHERE id IN (
        SELECT id FROM :schema:.transaction_history
         WHERE id = ANY(:ids) AND status IN ('stalled', 'expired', 'replaced') AND parked_at IS NULL
         ORDER BY id
           FOR NO KEY UPDATE SKIP LOCKED)`,
    { ids: [...ids] },
  )
}

/** The states in which a transaction is not checked any more after a day, though a receipt still changes it. */
const ENDED_STATUSES = ['expired', 'replaced'] as const

/**
 * Schedules a check of every `expired` and `replaced` transaction of the chain, at a random time within `spreadMs`;
 * those that are checked within that time anyway are left as they are. Returns how many were scheduled.
 */
export async function scheduleEndedChecks(
  db: Knex,
  chain: string,
  { spreadMs, batchSize }: { spreadMs: number; batchSize: number },
): Promise<number> {
  let count = 0
  for (const status of ENDED_STATUSES) {
    let after = '00000000-0000-0000-0000-000000000000'
    let ids: readonly string[]
    do {
      ids = await scheduleBatch(db, { chain, status, after, spreadMs, batchSize })
      count += ids.length
      after = ids.at(-1) ?? after
    } while (ids.length === batchSize)
  }
  return count
}

/** The status is written into the statement, so that the partial index by status can be used. */
async function scheduleBatch(
  db: Knex,
  {
    status,
    ...bindings
  }: {
    chain: string
    status: (typeof ENDED_STATUSES)[number]
    after: string
    spreadMs: number
    batchSize: number
  },
): Promise<readonly string[]> {
  const { rows } = await raw<{ rows: { id: string }[] }>(
    db,
    `WITH scheduled AS (
       UPDATE :schema:.transaction_history
          SET next_check_at = clock_timestamp() + random() * :spreadMs * interval '1 millisecond',
              updated_at = now()
        WHERE id IN (
          SELECT id FROM :schema:.transaction_history
           WHERE status = '${status}' AND id > :after AND chain = :chain AND parked_at IS NULL
             AND (next_check_at IS NULL OR next_check_at > now() + :spreadMs * interval '1 millisecond')
           ORDER BY id
           LIMIT :batchSize
             FOR NO KEY UPDATE SKIP LOCKED)
       RETURNING id)
     SELECT id FROM scheduled ORDER BY id`,
    bindings,
  )
  return rows.map(({ id }) => id)
}
