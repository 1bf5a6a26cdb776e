import type { Knex } from 'knex'
import type { Lifecycle } from '../../src/lifecycle.ts'
import type { Benchmark, Figures } from '../benchmark.ts'
import { createPoster, startReplayChain } from '../chains.ts'
import { countSettled, startConfirmd } from '../confirmd.ts'
import { sendLoad } from '../load.ts'
import type { Parts } from '../parts.ts'
import { watchSettled } from '../settled.ts'

const TRANSACTIONS = 40_000
const TIMEOUT_MS = 120_000
const MB = 1_000_000

export const size: Benchmark = {
  name: 'size',
  method: `What the database holds of ${TRANSACTIONS} transactions, a payload of 19 bytes each, that are registered, settled by one worker, and announced on the exchange: tables with their indexes, as PostgreSQL left them, in MB for a million. Without webhooks and business tables.`,
  aims: () => [],
  variants: async ({ smoke, parts }) => [
    { name: 'confirmed', run: (each) => fill(each, parts, smoke ? 200 : TRANSACTIONS) },
  ],
}

async function fill(lifecycle: Lifecycle, parts: Parts, count: number): Promise<Figures> {
  const chain = await startReplayChain(lifecycle)
  const { apiUrl, db } = await startConfirmd(lifecycle, parts, { nodeUrl: chain.url })
  const watch = watchSettled(() => countSettled(db))
  lifecycle.add('watch', watch.stop)
  const open = { most: 8_000, settled: watch.settled }
  const load = { count, size: 500, perSecond: null, concurrency: 8, kind: 'plain', open }
  await sendLoad(createPoster(lifecycle), chain, apiUrl, load)
  await watch.until(count, TIMEOUT_MS)
  await untilAnnounced(db)
  const mbForMillion = (bytes: string | undefined) => (Number(bytes) / MB) * (1_000_000 / count)
  const bytes = await db.raw<{ rows: { rows: string; indexes: string; events: string; all: string }[] }>(`
    SELECT pg_table_size('confirmd.transaction_history') AS rows, pg_indexes_size('confirmd.transaction_history') AS indexes,
           pg_total_relation_size('confirmd.outbox') AS events,
           (SELECT sum(pg_total_relation_size(oid)) FROM pg_class
             WHERE relkind = 'r' AND relnamespace = 'confirmd'::regnamespace) AS all`)
  const [found] = bytes.rows
  return {
    'transactions MB': mbForMillion(found?.rows),
    'their indexes MB': mbForMillion(found?.indexes),
    'events MB': mbForMillion(found?.events),
    'all MB': mbForMillion(found?.all),
  }
}

async function untilAnnounced(db: Knex): Promise<void> {
  for (;;) {
    const { rows } = await db.raw<{ rows: { left: string }[] }>(`
      SELECT (SELECT count(*) FROM confirmd.outbox WHERE sequence IS NULL)
           + (SELECT max(sequence) - min(sequence) FROM confirmd.event_cursors WHERE name <> 'pruned') AS left`)
    if (Number(rows[0]?.left) === 0) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
