import type { Knex } from 'knex'
import type { Condition } from './drill.ts'
import { every } from './faults.ts'

/** Watches, while a drill runs, that the follower moves and that nothing waits without a reason. */
export interface ProgressWatch {
  stop(): Promise<Condition[]>
}

export interface ProgressWatchOptions {
  readonly db: Knex
  readonly chainHead: () => number
}

const INTERVAL_MS = 500
/** Time for the follower to leave a faulty node for another one. */
const STANDSTILL_LIMIT_MS = 20_000
/** An open row that has been due for longer must have a last_error. */
const DUE_LIMIT_S = 30
/** 500 characters of up to 4 bytes. */
const TEXT_LIMIT_BYTES = 2_000
/** A row is larger than this only if it holds a text of a node in full. */
const ROW_LIMIT_BYTES = 65_536

export function watchProgress({ db, chainHead }: ProgressWatchOptions): ProgressWatch {
  const unexplained = new Map<string, string>()
  let cursor = { block: Number.NaN, sinceMs: Date.now() }
  let longestStandstillMs = 0
  let furthestAhead = Number.NEGATIVE_INFINITY
  let longestTextBytes = 0

  async function check(): Promise<void> {
    const row: { block_number: string } | undefined = await db('confirmd.chain_cursors').first('block_number')
    const block = Number(row?.block_number)
    if (block !== cursor.block) cursor = { block, sinceMs: Date.now() }
    longestStandstillMs = Math.max(longestStandstillMs, Date.now() - cursor.sinceMs)
    if (row) furthestAhead = Math.max(furthestAhead, block - chainHead())
    for (const { tx_hash: txHash, status } of await findUnexplained(db)) unexplained.set(txHash, status)
    longestTextBytes = Math.max(longestTextBytes, await longestErrorBytes(db))
  }

  const watching = every(INTERVAL_MS, check)
  return {
    stop: async () => {
      await watching.stop()
      await check()
      const behind = chainHead() - cursor.block
      const [example] = unexplained
      return [
        {
          text: `the follower's cursor moved throughout: it stood still for at most ${longestStandstillMs} ms, and is ${behind} blocks behind at the end`,
          passed: longestStandstillMs <= STANDSTILL_LIMIT_MS && behind * 1_000 <= STANDSTILL_LIMIT_MS,
        },
        {
          text: `the cursor was never ahead of the chain (${furthestAhead} blocks)`,
          passed: furthestAhead <= 0,
        },
        {
          text: `nothing waited without a reason: ${unexplained.size} open rows were due for more than ${DUE_LIMIT_S} s, or parked, with an empty last_error${example ? `; ${example.join(' is ')}` : ''}`,
          passed: unexplained.size === 0,
        },
        {
          text: `the longest last_error took ${longestTextBytes} of at most ${TEXT_LIMIT_BYTES} bytes`,
          passed: longestTextBytes <= TEXT_LIMIT_BYTES,
        },
        await judgeRowSizes(db),
      ]
    },
  }
}

async function findUnexplained(db: Knex): Promise<{ tx_hash: string; status: string }[]> {
  return db('confirmd.transaction_history')
    .whereIn('status', ['pending', 'stalled'])
    .whereRaw(
      `coalesce(last_error, '') = ''
       AND (parked_at IS NOT NULL OR next_check_at < clock_timestamp() - :limitS * interval '1 second')`,
      { limitS: DUE_LIMIT_S },
    )
    .select('tx_hash', 'status')
}

/** As it is stored: texts of 1 MB are not read for this. */
async function longestErrorBytes(db: Knex): Promise<number> {
  const { rows } = await db.raw<{ rows: { bytes: number | null }[] }>(
    'SELECT max(pg_column_size(last_error)) AS bytes FROM confirmd.transaction_history',
  )
  return rows[0]?.bytes ?? 0
}

async function judgeRowSizes(db: Knex): Promise<Condition> {
  const { rows } = await db.raw<{ rows: { largest: string }[] }>(
    `SELECT greatest((SELECT max(octet_length(t::text)) FROM confirmd.transaction_history t),
                     (SELECT max(octet_length(o::text)) FROM confirmd.outbox o)) AS largest`,
  )
  const largest = Number(rows[0]?.largest)
  return {
    text: `no text of a node is kept whole: the largest row has ${largest} of at most ${ROW_LIMIT_BYTES} bytes`,
    passed: largest <= ROW_LIMIT_BYTES,
  }
}
