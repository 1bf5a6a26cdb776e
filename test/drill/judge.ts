import type { Knex } from 'knex'
import type { Entry } from './ledger.ts'

/** What the database says of the recorded transactions, compared row by row with the truth. */
export interface Judgement {
  readonly recorded: number
  readonly confirmed: number
  readonly failed: number
  readonly stalled: number
  readonly replaced: number
  /** Recorded, but without the right final state, or without its event. */
  readonly lost: number
  /** More than one business row, or more than one event of one status. */
  readonly doubled: number
  /** A verdict that is not the truth, or a business row and a confirmed verdict that do not go together. */
  readonly wrong: number
  /** Some of what is not as it should be, in words. */
  readonly examples: readonly string[]
}

interface Found {
  readonly chain: string
  readonly tx_hash: string
  readonly kind: string
  readonly status: string
  readonly parked: boolean
  readonly retry_count: number
  readonly last_error: string | null
  /** No node showed its sender and nonce twice. */
  readonly unseen: boolean
  readonly orders: number
  /** Status of each event. */
  readonly events: readonly string[]
}

const EXAMPLES_SHOWN = 10
const COUNTED = ['confirmed', 'failed', 'stalled', 'replaced'] as const
/** What the product may only say if it is so. */
const VERDICTS = ['confirmed', 'failed', 'replaced']

export const NOTHING_COUNTED = {
  recorded: 0,
  confirmed: 0,
  failed: 0,
  stalled: 0,
  replaced: 0,
  lost: 0,
  doubled: 0,
  wrong: 0,
}

export async function judge(db: Knex, entries: readonly Entry[]): Promise<Judgement> {
  const rows = await readRows(db)
  const count = { ...NOTHING_COUNTED }
  const examples: string[] = []

  for (const entry of entries) {
    if (!entry.recorded) continue
    count.recorded += 1
    const row = rows.get(keyOf(entry.chain, entry.txHash, entry.kind))
    const status = COUNTED.find((each) => each === row?.status)
    if (status) count[status] += 1
    for (const fault of ['lost', 'doubled', 'wrong'] as const) {
      if (!FAULTS[fault](entry, row)) continue
      count[fault] += 1
      if (examples.length < EXAMPLES_SHOWN) {
        examples.push(
          `${fault}: ${entry.txHash} on ${entry.chain}, in truth ${entry.truth ?? 'absent'}: ${JSON.stringify(row)}`,
        )
      }
    }
  }
  return { ...count, wrong: count.wrong + (await countStrayOrders(db)), examples }
}

function keyOf(chain: string, txHash: string, kind: string): string {
  return [chain, txHash, kind].join(' ')
}

const FAULTS = {
  lost: (entry: Entry, row: Found | undefined) => {
    if (!row) return true
    // Nothing is called replaced that no node ever showed: what the caller claims of it is no evidence.
    if (entry.truth === 'replaced' && row.unseen && row.status === 'stalled') return false
    const expected = entry.truth ?? 'stalled'
    if (row.status !== expected) return !VERDICTS.includes(row.status)
    return !row.events.includes(expected)
  },
  doubled: (_: Entry, row: Found | undefined) =>
    row !== undefined && (row.orders > 1 || new Set(row.events).size < row.events.length),
  wrong: (entry: Entry, row: Found | undefined) => {
    if (!row) return false
    if ((row.status === 'confirmed') !== row.orders > 0) return true
    if (row.status === 'pending' || row.status === 'stalled') return false
    return row.status !== entry.truth
  },
}

async function readRows(db: Knex): Promise<Map<string, Found>> {
  // Together, so that a settle in between is seen whole or not at all.
  const { rows } = await db.raw<{ rows: Found[] }>(`
    SELECT t.chain, t.tx_hash, t.kind, t.status, t.parked_at IS NOT NULL AS parked, t.retry_count, t.last_error,
           t.seen_sender IS NULL AS unseen,
           coalesce(o.orders, 0)::int AS orders, coalesce(e.events, '{}') AS events
      FROM confirmd.transaction_history t
      LEFT JOIN (SELECT transaction_id, count(*) AS orders FROM orders GROUP BY transaction_id) o
        ON o.transaction_id = t.id
      LEFT JOIN (SELECT transaction_id, array_agg(status) AS events FROM confirmd.outbox GROUP BY transaction_id) e
        ON e.transaction_id = t.id`)
  return new Map(rows.map((row) => [keyOf(row.chain, row.tx_hash, row.kind), row]))
}

/** Business rows that belong to no transaction, or name another hash than theirs. */
async function countStrayOrders(db: Knex): Promise<number> {
  const { rows } = await db.raw<{ rows: { strays: number }[] }>(`
    SELECT count(*)::int AS strays
      FROM orders o
      LEFT JOIN confirmd.transaction_history t ON t.id = o.transaction_id AND t.tx_hash = o.tx_hash
     WHERE t.id IS NULL`)
  return rows[0]?.strays ?? 0
}

export function isClean({ lost, doubled, wrong }: Judgement): boolean {
  return lost === 0 && doubled === 0 && wrong === 0
}
