import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { v7 as uuidv7 } from 'uuid'
import { keepQueueBusy } from '../busy-queue.ts'
import type { Drill } from '../drill.ts'
import { QUEUE_ALONE } from '../parts.ts'
import { demand, pollUntil } from '../poll.ts'
import { appear } from '../registrar.ts'
import { openScene } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const STALLED = 100_000
const LOST = 100
const LOST_EVERY_MS = 300
const NODE_MS = 100
const READY = 100
const LATE_MS = 5_000
const GRACE_MS = 65_000
const QUICK_GRACE_MS = 4_000
/** So seldom that those that are due at the start are enough for the whole drill. */
const STALLED_CHECK_INTERVAL_MS = '3600000'
/** Few, so that one process that fills the queue is faster than the workers that empty it. */
const PREFETCH = '5'

/** The sweep is the backstop: what it has to do besides, and how busy the queue is, keeps no lost check away. */
export const lostBehindStalled: Drill = {
  number: 27,
  title: 'lost checks behind 100,000 stalled rows, a node that needs 100 ms, a queue that is never short',
  breakage: 'the rows of the lost checks are locked by another session, so that no sweep takes them',
  run: async (context) => {
    const { ledger, scaled, quick, broken, lifecycle, say } = context
    const graceMs = quick ? QUICK_GRACE_MS : GRACE_MS
    const settings = {
      ...QUEUE_ALONE,
      STALLED_CHECK_INTERVAL_MS,
      SWEEP_GRACE_MS: String(graceMs),
      SWEEP_INTERVAL_MS: '5000',
      WORKER_PREFETCH: PREFETCH,
    }
    const { parts, workers } = await openScene(context, { settings })
    const { db, node, chain } = parts
    const looked = new Map<string, number>()
    node.onLook = (txHash) => void (looked.has(txHash) || looked.set(txHash, Date.now()))
    node.faults = { delayMs: NODE_MS }
    const busy = await keepQueueBusy(db, parts.rabbitmq.url)
    lifecycle.add('busy queue', () => busy.stop())
    await demand('the queue is busy', () => busy.seen().sent > READY && busy.seen().readings > 100)
    const stalled = scaled(STALLED, 10_000)
    await insertStalled(db, stalled)
    await demand('stalled rows are being checked', () => looked.size > READY)
    busy.watch()

    const entries = ledger.make(scaled(LOST, 10), { absent: 0, maxDelayMs: 0 })
    const lost: { id: string; txHash: string; dueAtMs: number }[] = []
    for (const entry of entries) {
      appear(chain, entry)
      entry.recorded = true
      lost.push(await insertLost(db, entry.txHash, entry.kind))
      await sleep(LOST_EVERY_MS)
    }
    const lock = broken ? await lockRows(db, lost) : null
    const published = await untilPublished(db, lost, graceMs + 60_000)
    await pollUntil(() => lost.every(({ txHash }) => looked.has(txHash)), { timeoutMs: 30_000 })
    const { fewest, readings, sent } = busy.seen()
    const waiting = await countUnchecked(db)
    await busy.stop()
    await lock?.release()
    node.onLook = () => undefined
    node.faults = {}

    const queuedLate = latenesses(lost, graceMs, ({ id }) => published.get(id))
    const checkedLate = latenesses(lost, graceMs, ({ txHash }) => looked.get(txHash))
    say(
      `${stalled} stalled rows, ${stalled - waiting} of them checked by ${workers.members().length} workers`,
    )
    say(`${lost.length} lost checks; beyond the grace of ${graceMs} ms: ${inWords('published', queuedLate)}`)
    say(`  ${inWords('checked', checkedLate)}`)
    say(`ready messages: never fewer than ${fewest}, read ${readings} times; ${sent} were added`)
    return settleAndJudge(context, parts, {
      conditions: [
        {
          text: `each lost check was in the queue again within the grace plus ${LATE_MS} ms`,
          passed: queuedLate.length === lost.length && queuedLate.every((ms) => ms <= LATE_MS),
        },
        {
          text: `each was carried out within as much (${checkedLate.length} of ${lost.length})`,
          passed: checkedLate.length === lost.length && checkedLate.every((ms) => ms <= LATE_MS),
        },
        { text: `the queue had at least ${READY} ready messages (${fewest})`, passed: fewest >= READY },
        { text: `stalled rows were still to be checked (${waiting})`, passed: waiting > 0 },
      ],
    })
  },
}

async function insertStalled(db: Knex, count: number): Promise<void> {
  await db.raw(
    `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload, status, retry_count, stalled_at, next_check_at)
     SELECT gen_random_uuid(), 'kaia', '0x' || md5('a' || n) || md5('b' || n), 'default', 'null', 'stalled', 10, now(),
            now() - interval '1 minute'
       FROM generate_series(1, :count) AS n`,
    { count },
  )
}

/** Recorded and due, and its message is nowhere. */
async function insertLost(db: Knex, txHash: string, kind: string) {
  const id = uuidv7()
  const [row]: { next_check_at: Date }[] = await db('confirmd.transaction_history')
    .insert({
      ...{ id, chain: 'kaia', tx_hash: txHash, kind, payload: 'null' },
      next_check_at: db.raw(`date_trunc('milliseconds', clock_timestamp())`),
    })
    .returning('next_check_at')
  return { id, txHash, dueAtMs: row?.next_check_at.getTime() ?? Number.NaN }
}

/** When each was found to be published again, which makes it due anew; those that were, by id. */
async function untilPublished(
  db: Knex,
  lost: readonly { id: string; dueAtMs: number }[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  await pollUntil(
    async () => {
      const rows: { id: string; status: string; next_check_at: Date | null }[] = await db(
        'confirmd.transaction_history',
      )
        .whereIn(
          'id',
          lost.map(({ id }) => id),
        )
        .select('id', 'status', 'next_check_at')
      const byId = new Map(rows.map((row) => [row.id, row]))
      for (const { id, dueAtMs } of lost) {
        const row = byId.get(id)
        const isLost = row?.status === 'pending' && row.next_check_at?.getTime() === dueAtMs
        if (!isLost && !found.has(id)) found.set(id, Date.now())
      }
      return found.size === lost.length
    },
    { timeoutMs, intervalMs: 50 },
  )
  return found
}

async function countUnchecked(db: Knex): Promise<number> {
  const [row] = await db('confirmd.transaction_history')
    .where({ status: 'stalled', last_checked_at: null })
    .count('* as count')
  return Number(row?.['count'])
}

async function lockRows(db: Knex, rows: readonly { id: string }[]) {
  const trx = await db.transaction()
  await trx('confirmd.transaction_history')
    .whereIn(
      'id',
      rows.map(({ id }) => id),
    )
    .forUpdate()
    .select('id')
  return { release: () => trx.rollback().then(() => undefined) }
}

function latenesses<T extends { dueAtMs: number }>(
  lost: readonly T[],
  graceMs: number,
  cameAt: (each: T) => number | undefined,
): number[] {
  return lost
    .flatMap((each) => {
      const atMs = cameAt(each)
      return atMs === undefined ? [] : [atMs - each.dueAtMs - graceMs]
    })
    .toSorted((a, b) => a - b)
}

function inWords(what: string, sorted: readonly number[]): string {
  return `${what} after ${sorted[0]} ms at the earliest, ${sorted[Math.floor(sorted.length / 2)]} ms in the median, ${sorted.at(-1)} ms at the latest`
}
