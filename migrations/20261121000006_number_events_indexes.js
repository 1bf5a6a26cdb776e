/** How numbered events are found. */
export const config = { transaction: false }

/** @param {import('../src/store/concurrent-indexes.ts').ConcurrentIndexes} indexes */
export async function up(indexes) {
  await indexes.create(
    'outbox_unnumbered',
    'CREATE INDEX CONCURRENTLY outbox_unnumbered ON outbox (position) WHERE sequence IS NULL',
  )
  await indexes.create(
    'outbox_sequence',
    'CREATE UNIQUE INDEX CONCURRENTLY outbox_sequence ON outbox (sequence) WHERE sequence IS NOT NULL',
  )
  await indexes.create(
    'outbox_created',
    'CREATE INDEX CONCURRENTLY outbox_created ON outbox USING brin (created_at)',
  )
  await indexes.drop('outbox_unannounced')
}
