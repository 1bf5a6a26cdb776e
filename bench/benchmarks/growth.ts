import { randomBytes } from 'node:crypto'
import type { Knex } from 'knex'
import { aLook } from '../../src/dev/sample-look.ts'
import type { Lifecycle } from '../../src/lifecycle.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import type { Benchmark, Figures, Variant } from '../benchmark.ts'
import { createDatabase, type Parts } from '../parts.ts'
import { findSequentialScans, type Statement, statementsOf } from '../plans.ts'

const STORED = [1_000, 100_000, 1_000_000]
const PENDING = [100, 10_000, 100_000]
const USUAL_STORED = 100_000
const USUAL_PENDING = 10_000
const RECORDED = 5_000
const CHECKED = 100
const CHECK_TURNS = 50
const SWEEPS = 50
const BLOCKS = 20
const IN_A_BLOCK = 4_000
const OURS_IN_A_BLOCK = 100
const MAX_RATIO = 1.2

const titleOf = (stored: number, pending: number) => `${grouped(stored)} stored, ${grouped(pending)} pending`
const grouped = (count: number) => count.toLocaleString('en-US')

const SIZES = [
  ...STORED.map((stored) => ({ stored, pending: Math.min(USUAL_PENDING, stored) })),
  ...PENDING.filter((pending) => pending !== USUAL_PENDING).map((pending) => ({
    stored: USUAL_STORED,
    pending,
  })),
]

/** Statements of which EXPLAIN says that they read a table from end to end: right on small ones, ruinous on large. */
const SCANNING = 'whole-table reads'
const FIGURES = ['record µs', 'check µs', 'sweep ms', 'follow ms'] as const

export const growth: Benchmark = {
  name: 'growth',
  method: `Our own statements on tables of these sizes, analysed, one process, nothing else at work. *record*: one of ${grouped(RECORDED)} registrations; *check*: one row of ${CHECKED} that are loaded and put off together; *sweep*: a search for overdue rows that finds none; *follow*: the rows of a block of ${grouped(IN_A_BLOCK)} transactions of which ${OURS_IN_A_BLOCK} are ours; *whole-table reads*: how many of these statements have a sequential scan in their plan, by EXPLAIN.`,
  aims: (median) => {
    const small = titleOf(1_000, 1_000)
    const large = titleOf(1_000_000, USUAL_PENDING)
    const scanning = median(large, SCANNING)
    const steady = FIGURES.map((figure) => {
      const ratios = SIZES.map(
        ({ stored, pending }) => median(titleOf(stored, pending), figure) / median(small, figure),
      )
      const worst = Math.max(...ratios)
      return {
        text: `${figure.split(' ')[0]}: at most ${MAX_RATIO}× from the smallest to any other (${worst.toFixed(2)}×)`,
        reached: worst <= MAX_RATIO,
      }
    })
    const text = `no statement reads a whole table at ${large} (${scanning})`
    return [...steady, { text, reached: scanning === 0 }]
  },
  variants: async ({ smoke, lifecycle, parts }) => {
    const sizes = smoke ? SIZES.slice(0, 1) : SIZES
    return sizes.map(({ stored, pending }): Variant => {
      let filled: Promise<{ db: Knex; ours: string[] }> | null = null
      return {
        name: titleOf(stored, pending),
        run: async () => {
          // Filled once: what a round adds to it is little beside what is there.
          filled ??= fill(lifecycle, parts, stored, pending)
          const { db, ours } = await filled
          return measure(db, createStore(db, { chain: 'kaia' }), ours)
        },
      }
    })
  },
}

async function fill(
  lifecycle: Lifecycle,
  parts: Parts,
  stored: number,
  pending: number,
): Promise<{ db: Knex; ours: string[] }> {
  const { db } = await createDatabase(lifecycle, parts)
  const receipt = JSON.stringify({ logsBloom: `0x${'0'.repeat(512)}`, status: '0x1' })
  await db.raw(
    `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload, status, next_check_at, settled_at, receipt,
                                      block_number, block_hash, gas_used, created_at)
     SELECT CAST(lpad(to_hex(n), 8, '0') || '-0000-7000-8000-' || substr(md5(n::text), 1, 12) AS uuid), 'kaia',
            '0x' || md5('a' || n) || md5('b' || n), 'order', jsonb_build_object('item', n),
            CASE WHEN n > :settled THEN 'pending' ELSE 'confirmed' END,
            CASE WHEN n > :settled THEN now() + interval '1 hour' END,
            CASE WHEN n > :settled THEN NULL ELSE now() END,
            CASE WHEN n > :settled THEN NULL ELSE CAST(:receipt AS jsonb) END,
            CASE WHEN n > :settled THEN NULL ELSE n END, CASE WHEN n > :settled THEN NULL ELSE '0x' || md5(n::text) END,
            CASE WHEN n > :settled THEN NULL ELSE 21000 END, now() - interval '1 day'
       FROM generate_series(1, :stored) AS n`,
    { settled: stored - pending, stored, receipt },
  )
  await db.raw('VACUUM ANALYZE confirmd.transaction_history')
  const rows: { tx_hash: string }[] = await db('confirmd.transaction_history')
    .where({ status: 'pending' })
    .select('tx_hash')
  return { db, ours: rows.map((row) => row.tx_hash) }
}

async function measure(db: Knex, store: Store, ours: readonly string[]): Promise<Figures> {
  const statements: Statement[] = []
  async function timed(work: () => Promise<unknown>): Promise<number> {
    const startedAt = performance.now()
    statements.push(...(await statementsOf(db, work)))
    return performance.now() - startedAt
  }

  const recordMs = await timed(() =>
    Promise.all(
      Array.from({ length: RECORDED }, () => {
        const given = { chain: 'kaia', txHash: `0x${randomBytes(32).toString('hex')}`, kind: 'order' }
        return store.record({
          ...given,
          payload: { item: 1 },
          sender: null,
          nonce: null,
          correlationId: null,
          traceParent: null,
        })
      }),
    ),
  )
  // What this round recorded goes again, so that each round finds what the first one found.
  await db('confirmd.transaction_history')
    .where('next_check_at', '<', db.raw(`now() + interval '30 minutes'`))
    .delete()
  const ids: { id: string; retry_count: number }[] = await db('confirmd.transaction_history')
    .whereIn('tx_hash', ours.slice(0, CHECKED))
    .select('id', 'retry_count')
  const checkMs = await timed(async () => {
    for (let turn = 0; turn < CHECK_TURNS; turn++) {
      await Promise.all(
        ids.map(async ({ id, retry_count: before }) => {
          await store.loadOpen(id)
          const expectedRetryCount = before + turn
          await store.recordWait(id, {
            ...{ expectedRetryCount, retryCount: expectedRetryCount + 1, consecutiveErrors: 0 },
            ...{ delayMs: 3_600_000, error: null, notes: { seen: null, evidence: null, absentChecks: null } },
            look: aLook('waits'),
          })
        }),
      )
    }
  })
  const sweepMs = await timed(async () => {
    for (let turn = 0; turn < SWEEPS; turn++) await store.leaseOverdue({ graceMs: 60_000, limit: 500 })
  })
  const strangers = Array.from(
    { length: IN_A_BLOCK - OURS_IN_A_BLOCK },
    () => `0x${randomBytes(32).toString('hex')}`,
  )
  const block = [...strangers, ...ours.slice(0, OURS_IN_A_BLOCK)]
  const followMs = await timed(async () => {
    for (let turn = 0; turn < BLOCKS; turn++) await store.findOpen('kaia', block)
  })
  const scanning = await findSequentialScans(db, statements)
  for (const sql of scanning) process.stdout.write(`  reads a whole table: ${sql.replaceAll(/\s+/g, ' ')}\n`)
  return {
    'record µs': (recordMs * 1_000) / RECORDED,
    'check µs': (checkMs * 1_000) / (CHECK_TURNS * ids.length),
    'sweep ms': sweepMs / SWEEPS,
    'follow ms': followMs / BLOCKS,
    [SCANNING]: scanning.length,
  }
}
