import type { Knex } from 'knex'
import { CARELESSNESSES, type CarelessHandler, type Ending } from './careless-kinds.ts'
import type { Condition } from './drill.ts'
import type { Entry } from './ledger.ts'
import { countRuns, type Runs } from './run-log.ts'

/** What is in the database of a transaction with a careless handler. */
interface Found {
  readonly tx_hash: string
  readonly status: string
  readonly parked: boolean
  readonly reason: string | null
  readonly reason_length: number
  /** The steps of its write that are committed. */
  readonly steps: readonly string[]
  readonly bulk_rows: number
  /** Status of each event that is a verdict. */
  readonly verdicts: readonly string[]
}

/** Most characters of an error text that are kept. */
const REASON_LIMIT = 500
const REASON_SHOWN = 500
const BULK_ROWS = 100_000
const OPEN = ['pending', 'stalled']

/** For each of the twelve kinds: whether every transaction ended as it must. */
export async function judgeCareless(db: Knex, entries: readonly Entry[], runs: Runs): Promise<Condition[]> {
  const rows = await readRows(db)
  return CARELESSNESSES.map(({ name, handlers }): Condition => {
    const kinds = handlers.map(({ kind }) => kind)
    const ofKind = entries.filter(({ kind }) => kinds.includes(kind))
    const problems = ofKind.flatMap((entry) => {
      const handler = handlers.find(({ kind }) => kind === entry.kind)
      const problem = handler && problemOf(handler, rows.get(entry.txHash))
      return problem ? [`${entry.kind} ${entry.txHash}: ${problem}`] : []
    })
    const { total, met, most } = countRuns(runs, kinds)
    const isMet = ofKind.length > 0 && met === ofKind.length
    const endings = [...new Set(handlers.map(({ ending }) => ending.is))].join(' or ')
    const good = ofKind.length - problems.length
    return {
      text: `${name}: ${good} of ${ofKind.length} ${endings}; ${met} were run, ${total} times in all, at most ${most} times each${firstOf(problems)}`,
      passed: isMet && problems.length === 0,
    }
  })
}

function firstOf(problems: readonly string[]): string {
  return problems[0] === undefined ? '' : `; ${problems[0]}`
}

function problemOf({ kind, ending }: CarelessHandler, row: Found | undefined): string | null {
  if (!row) return 'it is not recorded'
  return ending.is === 'confirmed' ? confirmedProblem(kind, row) : parkedProblem(ending, row)
}

function confirmedProblem(kind: string, { status, reason, steps, bulk_rows: bulk, verdicts }: Found) {
  if (status !== 'confirmed') return `it is ${status}: ${reason ?? 'without a reason'}`
  if (steps.join() !== 'before') return `its write is there ${steps.length} times`
  if (kind === 'bulk-write' && bulk !== BULK_ROWS) return `it has ${bulk} rows`
  return verdicts.join() === 'confirmed' ? null : `its events are ${verdicts.join() || 'none'}`
}

function parkedProblem(ending: Extract<Ending, { is: 'parked' }>, row: Found): string | null {
  const { status, parked, reason, reason_length: length, steps, verdicts } = row
  if (steps.length > 0) return `rows of it are committed: ${steps.join()}; it is ${status}`
  if (!OPEN.includes(status)) return `it is ${status}`
  if (verdicts.length > 0) return `it has an event ${verdicts.join()}`
  if (!parked) return `it is not parked; its reason is ${JSON.stringify(reason)}`
  if (!ending.reason.test(reason ?? '')) return `its reason doesn't name it: ${JSON.stringify(reason)}`
  return length > REASON_LIMIT ? `its reason has ${length} characters` : null
}

async function readRows(db: Knex): Promise<Map<string, Found>> {
  // In one statement, so that a settle in between is seen whole or not at all.
  const { rows } = await db.raw<{ rows: Found[] }>(`
    SELECT t.tx_hash, t.status, t.parked_at IS NOT NULL AS parked,
           left(t.last_error, ${REASON_SHOWN}) AS reason, coalesce(length(t.last_error), 0) AS reason_length,
           coalesce(w.steps, '{}') AS steps, coalesce(b.bulk_rows, 0)::int AS bulk_rows,
           coalesce(e.verdicts, '{}') AS verdicts
      FROM confirmd.transaction_history t
      LEFT JOIN (SELECT tx_hash, array_agg(step ORDER BY step DESC) AS steps
                   FROM careless_writes GROUP BY tx_hash) w USING (tx_hash)
      LEFT JOIN (SELECT tx_hash, count(*) AS bulk_rows FROM careless_bulk GROUP BY tx_hash) b USING (tx_hash)
      LEFT JOIN (SELECT transaction_id, array_agg(status) AS verdicts FROM confirmd.outbox
                  WHERE status IN ('confirmed', 'failed') GROUP BY transaction_id) e ON e.transaction_id = t.id
     WHERE t.kind <> 'order'`)
  return new Map(rows.map((row) => [row.tx_hash, row]))
}
