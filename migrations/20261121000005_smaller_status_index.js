/** The previous release lists without the dropped index, more slowly. */
export const config = { transaction: false }

/** @param {import('../src/store/concurrent-indexes.ts').ConcurrentIndexes} indexes */
export async function up(indexes) {
  // Most rows are confirmed, and every settle would write to it for them.
  await indexes.create(
    'transaction_history_unconfirmed',
    `CREATE INDEX CONCURRENTLY transaction_history_unconfirmed ON transaction_history (status, id)
       WHERE status <> 'confirmed'`,
  )
  await indexes.drop('transaction_history_status')
}
