import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { generatedRuns } from '../support/fuzz.ts'
import { ALL_ADVANCES_MS, COARSE_ADVANCES_MS, histories } from '../support/model/history.ts'
import { createMemoryStore } from '../support/model/memory-store.ts'
import { runHistory } from '../support/model/run-history.ts'
import { openSqlStore } from '../support/model/sql-store.ts'
import { createOrderTables } from '../support/orders.ts'

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
  beforeAll(async () => {
    database = await createTestDatabase()
    await createOrderTables(database.db)
  })
  afterAll(() => database.drop())

  it('answers as PostgreSQL does', async () => {
    await fc.assert(
      fc.asyncProperty(histories({ maxLength: 25, advancesMs: COARSE_ADVANCES_MS }), async (history) => {
        const modelled: string[] = []
        const real: string[] = []
        await runHistory(createMemoryStore(), history, { onAnswer: (line) => modelled.push(line) })
        const store = await openSqlStore(database.db)
        await runHistory(store, history, { onAnswer: (line) => real.push(line) })
        expect(real).toEqual(modelled)
      }),
      generatedRuns(RUNS_ON_POSTGRESQL),
    )
  }, 300_000)
})
