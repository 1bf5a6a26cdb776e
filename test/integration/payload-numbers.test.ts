import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jsonProblem } from '../../src/domain/json.ts'
import { markLossyNumbers } from '../../src/domain/lossy-numbers.ts'
import { parseForeignRegistration } from '../../src/domain/registration.ts'
import { createStore } from '../../src/store/store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { generatedRuns } from '../support/fuzz.ts'
import { numberText } from '../support/generated-numbers.ts'
import { randomHash } from '../support/scripted-node.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

function isAccepted(number: string): boolean {
  return jsonProblem(JSON.parse(markLossyNumbers(number)), 'payload') === null
}

function isLargeAndWhole(number: number): boolean {
  return Number.isInteger(number) && !Number.isSafeInteger(number)
}

/** Those that differ from the numbers of the same index in a jsonb array of the query; jsonb compares exactly. */
async function differing(numbers: readonly string[], arrayQuery: string, binding: string): Promise<string[]> {
  const { rows } = await database.db.raw<{ rows: { index: number }[] }>(
    `SELECT given.ordinality::int - 1 AS index
       FROM jsonb_array_elements(CAST(? AS jsonb)) WITH ORDINALITY AS given
      WHERE given.value IS DISTINCT FROM (${arrayQuery}) -> (given.ordinality::int - 1)
      ORDER BY 1`,
    [`[${numbers.join(',')}]`, binding],
  )
  return rows.map(({ index }) => numbers[index] ?? '')
}

it('every number that is accepted is in the row as it was sent', async () => {
  const store = createStore(database.db, { chain: 'kaia' })
  await fc.assert(
    fc.asyncProperty(fc.array(numberText, { minLength: 1, maxLength: 100 }), async (numbers) => {
      const accepted = numbers.filter(isAccepted)
      const txHash = randomHash()
      const message = `{"txHash":"${txHash}","payload":[${accepted.join(',')}]}`
      const registration = parseForeignRegistration(JSON.parse(markLossyNumbers(message)), 'kaia', null, null)
      if (typeof registration === 'string') throw new Error(registration)
      await store.record(registration)
      const stored = 'SELECT payload FROM confirmd.transaction_history WHERE tx_hash = ?'
      expect(await differing(accepted, stored, txHash)).toEqual([])
    }),
    generatedRuns(200),
  )
})

it('every number that is refused would have been changed, or is a large whole one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(numberText, { minLength: 1, maxLength: 100 }), async (numbers) => {
      const refused = numbers.filter((number) => !isAccepted(number) && !isLargeAndWhole(Number(number)))
      // As it would be stored without the check.
      const rounded = JSON.stringify(JSON.parse(`[${refused.join(',')}]`))
      expect(await differing(refused, 'SELECT CAST(? AS jsonb)', rounded)).toEqual(refused)
    }),
    generatedRuns(200),
  )
})
