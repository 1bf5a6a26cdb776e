import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { generatedRuns } from '../support/fuzz.ts'
import {
  ALL_ADVANCES_MS,
  COARSE_ADVANCES_MS,
  type Happening,
  type History,
  histories,
} from '../support/model/history.ts'
import { createMemoryStore } from '../support/model/memory-store.ts'
import type { StoredState } from '../support/model/model-store.ts'
import { subjectOf } from '../support/model/processes.ts'
import { runHistory } from '../support/model/run-history.ts'
import { openSqlStore } from '../support/model/sql-store.ts'
import { createOrderTables } from '../support/orders.ts'
import { installSettableClock, type SettableClock } from '../support/settable-clock.ts'

const RUNS = 10_000
const RUNS_ON_POSTGRESQL = 200

/** Every step from one state to another that design and code know; a run that misses one shows nothing. */
const ALL_STEPS = [
  'pending → confirmed',
  'pending → failed',
  'pending → replaced',
  'pending → stalled',
  'stalled → confirmed',
  'stalled → failed',
  'stalled → expired',
  'stalled → replaced',
  'stalled → pending',
  'expired → confirmed',
  'expired → failed',
]

const step: Happening = { do: 'step', pick: 0, fault: 'none' }

/** Two workers have seen the receipt before either of them settles: rare by chance, and the fence's whole point. */
const TWO_SETTLES_AT_ONCE: History = {
  queue: 'broker',
  depth: 0,
  happenings: [
    { do: 'register', transaction: 0 },
    { do: 'drain' },
    { do: 'include', transaction: 0, succeeded: true },
    { do: 'duplicate', pick: 0 },
    { do: 'take', worker: 1, pick: 0 },
    { do: 'take', worker: 2, pick: 0 },
    // Both load, both observe.
    ...[step, step, step, step],
    { do: 'drain' },
  ],
}

/** The business write throws after it wrote, and is tried again. */
const REFUSED_AT_FIRST: History = {
  queue: 'broker',
  depth: 0,
  happenings: [
    { do: 'refuse', refusing: true },
    { do: 'include', transaction: 0, succeeded: true },
    { do: 'register', transaction: 0 },
    { do: 'drain' },
    { do: 'rounds', count: 1 },
  ],
}

/** One hash on two chains that share a queue, with opposite outcomes: each is also handed to a worker of the other. */
const SAME_HASH_ON_BOTH_CHAINS: History = {
  queue: 'broker',
  depth: 0,
  happenings: [
    { do: 'register', transaction: 0 },
    { do: 'register', transaction: 1 },
    { do: 'drain' },
    { do: 'include', transaction: 0, succeeded: true },
    { do: 'include', transaction: 1, succeeded: false },
    { do: 'take', worker: 3, pick: 0 },
    { do: 'take', worker: 1, pick: 0 },
    { do: 'drain' },
    { do: 'rounds', count: 8 },
  ],
}

/** The same without a broker: each worker takes what is due. */
const SAME_HASH_IN_THE_TABLE: History = { ...SAME_HASH_ON_BOTH_CHAINS, queue: 'table' }

const EXAMPLES: [History][] = [
  [TWO_SETTLES_AT_ONCE],
  [REFUSED_AT_FIRST],
  [SAME_HASH_ON_BOTH_CHAINS],
  [SAME_HASH_IN_THE_TABLE],
]

/** What a history left, without ids and times. */
function outcomesIn({ transactions, orders, events }: StoredState) {
  return transactions
    .map((transaction) => ({
      subject: subjectOf(transaction),
      status: transaction.status,
      orders: orders.filter((order) => order === transaction.id).length,
      events: events.filter((event) => event.transactionId === transaction.id).map((event) => event.status),
    }))
    .sort((a, b) => (a.subject < b.subject ? -1 : 1))
}

describe('histories of faults', () => {
  it('end with what the chain says, one business write and one event for each state', async () => {
    const reached = new Set<string>()
    const onReached = (from: string, to: string) => void reached.add(`${from} → ${to}`)
    const runs = generatedRuns(RUNS)
    await fc.assert(
      fc.asyncProperty(histories({ maxLength: 60, advancesMs: ALL_ADVANCES_MS }), async (history) => {
        const store = createMemoryStore()
        await runHistory(store, history, { rows: store.rows, onReached })
      }),
      runs,
    )
    if (runs.numRuns === RUNS) expect([...reached].sort()).toEqual(ALL_STEPS.toSorted())
  }, 300_000)
})

describe('the store that the histories run on', () => {
  let database: TestDatabase
  let clock: SettableClock
  beforeAll(async () => {
    database = await createTestDatabase()
    await createOrderTables(database.db)
    clock = await installSettableClock(database.db)
  })
  afterAll(() => database.drop())

  it('answers as PostgreSQL does', async () => {
    await fc.assert(
      fc.asyncProperty(histories({ maxLength: 25, advancesMs: COARSE_ADVANCES_MS }), async (history) => {
        const modelled: string[] = []
        const real: string[] = []
        const model = createMemoryStore()
        await runHistory(model, history, { onAnswer: (line) => modelled.push(line) })
        const store = await openSqlStore(database.db, clock)
        await runHistory(store, history, { onAnswer: (line) => real.push(line) })
        expect(real).toEqual(modelled)
        expect(outcomesIn(await store.state())).toEqual(outcomesIn(await model.state()))
      }),
      { ...generatedRuns(RUNS_ON_POSTGRESQL), examples: EXAMPLES },
    )
  }, 300_000)
})
