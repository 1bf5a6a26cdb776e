import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Knex } from 'knex'
import { startEmbeddedPostgres } from '../src/dev/embedded-postgres.ts'
import { createTemporaryFolder } from '../src/dev/temporary-folder.ts'
import { createLifecycle } from '../src/lifecycle.ts'
import { openDatabase } from '../src/store/database.ts'
import { migrate } from '../src/store/migrations.ts'
import { pruneBatch } from '../src/store/prune.ts'
import { createStore } from '../src/store/store.ts'
import { createRandom } from '../test/drill/random.ts'
import { statementsOf } from './plans.ts'

/**
 * Maintenance of large tables: `node --import jiti/register bench/maintenance.ts [--rows 1000000] [--seed 1]`, after a build.
 * Prints what each part took, and fails if a guarantee does not hold. It is run by hand: it takes some minutes.
 */
const { values: options } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } },
})
const ROWS = Number(options.rows)
const KILLS = 20
/** From the begin of the build to the kill; at 10^6 rows it takes some seconds. */
const MOST_MS = 1_500
const PRUNED_BATCHES = 200
const MIGRATIONS = fileURLToPath(new URL('../test/fixtures/large-migrations', import.meta.url))
const PROGRAM = fileURLToPath(new URL('../test/support/run-migrations.js', import.meta.url))
const POSTGRES_15 = '/usr/lib/postgresql/15/bin'
const WEBHOOK = '00000000-0000-4000-8000-000000000001'

const lifecycle = createLifecycle((name, error) => say(`could not release ${name}: ${String(error)}`))
process.once('SIGINT', () => void lifecycle.releaseAll().then(() => process.exit(130)))
try {
  await measure()
} catch (error) {
  say(String((error as Error).stack))
  process.exitCode = 1
} finally {
  await lifecycle.releaseAll()
}

async function measure(): Promise<void> {
  const folder = await createTemporaryFolder()
  lifecycle.add('temporary folder', folder.remove)
  const hasFifteen = await access(POSTGRES_15).then(
    () => true,
    () => false,
  )
  const postgres = await startEmbeddedPostgres({
    folder: folder.path,
    settings: ['max_wal_size=4GB'],
    ...(hasFifteen
      ? { binaries: { initdb: `${POSTGRES_15}/initdb`, postgres: `${POSTGRES_15}/postgres` } }
      : {}),
  })
  lifecycle.add('PostgreSQL', postgres.stop)
  const db = openDatabase({ url: postgres.url, poolMax: 6, applicationName: 'bench', statementLimit: 'none' })
  lifecycle.add('connections', () => db.destroy())
  await migrate(postgres.url)
  await timed(`filled: ${ROWS} transactions, as many events`, () => fill(db))
  await underSnapshot(db, postgres.url)
  await killed(db, postgres.url)
  await pruning(db)
  await webhook(db)
}

async function fill(db: Knex): Promise<void> {
  const id = `CAST('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid)`
  await db.raw(
    `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload, status, settled_at, next_check_at, receipt)
     SELECT ${id}, 'kaia', '0x' || md5('a' || n) || md5('b' || n), 'order', jsonb_build_object('item', n), 'confirmed',
            to_timestamp(0), NULL, jsonb_build_object('pad', repeat(md5(n::text), 10))
       FROM generate_series(1, :rows) AS n`,
    { rows: ROWS },
  )
  await db.raw(
    `INSERT INTO confirmd.outbox (id, transaction_id, status, kind, data, sequence)
     SELECT gen_random_uuid(), ${id}, 'confirmed', 'order', jsonb_build_object('pad', repeat('x', 400)), n
       FROM generate_series(1, :rows) AS n`,
    { rows: ROWS },
  )
  await db.raw('UPDATE confirmd.event_cursors SET sequence = ? WHERE name <> ?', [ROWS, 'pruned'])
  await db.raw('VACUUM ANALYZE confirmd.transaction_history')
  await db.raw('VACUUM ANALYZE confirmd.outbox')
}

function startMigrating(url: string) {
  const child = spawn(process.execPath, [PROGRAM, url, MIGRATIONS], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return { child, ended: once(child, 'close'), output: () => output }
}

/** A back-up's snapshot is open for 40 s, longer than the roles' limit; registrations come all the time. */
async function underSnapshot(db: Knex, url: string): Promise<void> {
  const snapshot = await db.transaction({ isolationLevel: 'repeatable read' })
  await snapshot.raw('SELECT count(*) FROM confirmd.transaction_history')
  const startedAt = performance.now()
  const running = startMigrating(url)
  let slowestMs = 0
  let written = 0
  let hasEnded = false
  void running.ended.then(() => {
    hasEnded = true
  })
  let isOpen = true
  while (!hasEnded) {
    const insertedAt = performance.now()
    await db.raw(
      `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload)
       VALUES (gen_random_uuid(), 'kaia', '0x' || md5(random()::text) || md5(random()::text), 'order', 'null')`,
    )
    written += 1
    slowestMs = Math.max(slowestMs, performance.now() - insertedAt)
    if (isOpen && performance.now() - startedAt > 40_000) {
      isOpen = false
      await snapshot.rollback()
    }
    await sleep(20)
  }
  const tookS = (performance.now() - startedAt) / 1_000
  say(
    `under a snapshot of 40 s: exit ${running.child.exitCode} after ${tookS.toFixed(1)} s; ${written} registrations meanwhile, the slowest ${slowestMs.toFixed(0)} ms`,
  )
  say(running.output().trim())
  if (running.child.exitCode !== 0) throw new Error('the migration failed')
  await checkIndex(db)
}

/** Killed at random moments of the build, and run again each time. */
async function killed(db: Knex, url: string): Promise<void> {
  await takeBack(db)
  const random = createRandom(options.seed)
  let invalid = 0
  for (let kills = 0; kills < KILLS; ) {
    const running = startMigrating(url)
    for (let building = false; !building && running.child.exitCode === null; ) {
      const { rows } = await db.raw(
        `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ '^(CREATE|DROP) INDEX'`,
      )
      building = rows.length > 0
    }
    await sleep(random() * MOST_MS)
    const wasKilled = running.child.kill('SIGKILL')
    await running.ended
    if (!wasKilled) {
      await takeBack(db)
      continue
    }
    kills += 1
    const { rows } = await db.raw('SELECT 1 FROM pg_index WHERE NOT indisvalid')
    invalid += rows.length
  }
  await timed(
    `killed ${KILLS} times (seed ${options.seed}), ${invalid} times with an invalid index; then run to its end`,
    async () => {
      const running = startMigrating(url)
      await running.ended
      if (running.child.exitCode !== 0) throw new Error('the migration failed')
    },
  )
  await checkIndex(db)
}

async function takeBack(db: Knex): Promise<void> {
  await db.raw('DROP INDEX IF EXISTS history_hash_kind')
  await db.raw('ALTER TABLE confirmd.transaction_history DROP COLUMN IF EXISTS width')
  await db.raw('DROP TABLE test_migrations')
}

async function checkIndex(db: Knex): Promise<void> {
  const { rows } = await db.raw(
    `SELECT indexrelid::regclass::text AS name, indisvalid AS valid FROM pg_index
      WHERE indrelid = 'confirmd.transaction_history'::regclass AND (NOT indisvalid OR indexrelid = 'history_hash_kind'::regclass)`,
  )
  if (JSON.stringify(rows) !== '[{"name":"history_hash_kind","valid":true}]')
    throw new Error(JSON.stringify(rows))
}

async function pruning(db: Knex): Promise<void> {
  const target = { chain: 'kaia', before: new Date(), prefix: null, limit: 1_000 }
  const statements = await statementsOf(db, () => pruneBatch(db, { ...target, after: null }))
  for (const { sql, bindings } of statements) {
    if (/^\s*SELECT/.test(sql)) await explain(db, sql, bindings)
  }
  const tookMs: number[] = []
  let after: string | null = null
  for (let batch = 0; batch < PRUNED_BATCHES; batch++) {
    const startedAt = performance.now()
    after = (await pruneBatch(db, { ...target, after })).next
    tookMs.push(performance.now() - startedAt)
    if (after === null) break
  }
  say(
    `prune: the first 20 of ${tookMs.length} batches ${medianOf(tookMs.slice(0, 20))} ms, the last 20 ${medianOf(tookMs.slice(-20))} ms`,
  )
}

async function explain(db: Knex, sql: string, values: readonly unknown[]): Promise<void> {
  const connection: { query(config: object): Promise<{ rows: { 'QUERY PLAN': string }[] }> } =
    await db.client.acquireConnection()
  try {
    const text = `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) ${sql}`
    const { rows } = await connection.query({ text, values })
    say(rows.map((row) => row['QUERY PLAN']).join('\n'))
  } finally {
    await db.client.releaseConnection(connection)
  }
}

async function webhook(db: Knex): Promise<void> {
  const store = createStore(db, { chain: 'kaia' })
  await db('confirmd.webhooks').insert({
    id: WEBHOOK,
    url: 'https://example.com/',
    secret: 'whsec_AA',
    enabled: false,
  })
  await timed(`filled: ${ROWS} deliveries with an attempt each`, () =>
    db.raw(
      `WITH made AS (
         INSERT INTO confirmd.webhook_deliveries (webhook_id, test, next_attempt_at)
         SELECT :id, '{}', now() + interval '1 day' FROM generate_series(1, :rows) RETURNING id)
       INSERT INTO confirmd.webhook_attempts (delivery_id, attempted_at, duration_ms) SELECT id, now(), 1 FROM made`,
      { id: WEBHOOK, rows: ROWS },
    ),
  )
  await timed('PATCH enabled: true', () => store.updateWebhook(WEBHOOK, { enabled: true }))
  await inBatches('resumed', store)
  await timed('DELETE', () => store.deleteWebhook(WEBHOOK))
  await inBatches('deleted', store)
}

async function inBatches(what: string, store: ReturnType<typeof createStore>): Promise<void> {
  const tookMs: number[] = []
  let deliveries = 0
  for (let more = true; more; ) {
    const startedAt = performance.now()
    const done = await store.workOnWebhooks()
    more = done.more
    deliveries += done.deliveries
    tookMs.push(performance.now() - startedAt)
  }
  say(
    `  ${what} ${deliveries} in ${tookMs.length} batches: median ${medianOf(tookMs)} ms, slowest ${Math.max(...tookMs).toFixed(0)} ms, first 20 ${medianOf(tookMs.slice(0, 20))} ms, last 20 ${medianOf(tookMs.slice(-20))} ms`,
  )
}

function medianOf(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[Math.floor(sorted.length / 2)] ?? Number.NaN).toFixed(1)
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const done = await work()
  say(`${what}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`)
  return done
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
