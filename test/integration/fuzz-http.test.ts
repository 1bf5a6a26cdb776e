import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TransactionView } from '../../src/domain/transaction-view.ts'
import { createWorld, type RunningConfirmd, type World } from '../support/confirmd.ts'
import { generate, generatedRuns } from '../support/fuzz.ts'
import { type GeneratedRequest, generatedRequests } from '../support/generated-requests.ts'
import { type RawAnswer, sendRaw } from '../support/raw-http.ts'

const REQUESTS = 10_000
const AT_ONCE = 32

let world: World
let api: RunningConfirmd

beforeAll(async () => {
  world = await createWorld('table')
  api = await world.start('api')
})
afterAll(() => world.close())

/** What is wrong with the answer by itself, or null. */
function complaint(answer: RawAnswer): string | null {
  const { status, headers, body } = answer
  if (status === 503) return headers.has('retry-after') ? null : '503 that does not say when to try again'
  if (!(status >= 200 && status < 500)) return 'a status that says the fault is ours'
  if (status < 400) return null
  if (!headers.get('content-type')?.startsWith('application/problem+json')) return 'no problem+json'
  // A HEAD has the headers only.
  if (body === '') return null
  return (JSON.parse(body) as { status: number }).status === status ? null : 'another status inside'
}

/** Whether a row has exactly the content of a body that was answered with it. */
function holds(row: Record<string, unknown> | undefined, registration: Buffer): boolean {
  const sent = JSON.parse(registration.toString('utf8')) as Record<string, unknown>
  return (
    row !== undefined &&
    isDeepStrictEqual(
      [row['tx_hash'], row['kind'], row['payload'], row['sender'], row['nonce']],
      [
        String(sent['txHash']).toLowerCase(),
        sent['kind'] ?? 'default',
        // Read as it is stored: -0 is 0.
        JSON.parse(JSON.stringify(sent['payload'] ?? null)),
        sent['from'] === undefined ? null : String(sent['from']).toLowerCase(),
        sent['nonce'] === undefined ? null : String(sent['nonce']),
      ],
    )
  )
}

it('10,000 generated requests: each is answered, none with a fault of ours, and what is taken is recorded', async () => {
  const runs = generatedRuns(REQUESTS)
  const requests = generate(generatedRequests, runs)
  const answers: { request: GeneratedRequest; answer: RawAnswer | null }[] = []
  const complaints: object[] = []
  const queue = requests.values()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const request of queue) {
        const answer = await sendRaw(api.url, request)
        answers.push({ request, answer })
        const found = answer && complaint(answer)
        if (found)
          complaints.push({ found, answer, request: request.bytes.toString('latin1').slice(0, 1_000) })
      }
    }),
  )
  const seed = `seed ${runs.seed}`
  expect(complaints.slice(0, 3), `${complaints.length} answers, ${seed}`).toEqual([])
  expect(api.fatal).toEqual([])
  expect((await fetch(`${api.url}/healthz`)).status).toBe(200)

  const rows = await world.db('confirmd.transaction_history')
  const byId = new Map(rows.map((row) => [row.id as string, row as Record<string, unknown>]))
  const taken = answers.flatMap(({ request, answer }) =>
    answer && request.registration && (answer.status === 202 || answer.status === 200)
      ? [{ registration: request.registration, shown: JSON.parse(answer.body) as TransactionView }]
      : [],
  )
  const untrue = taken.filter(
    ({ registration, shown }) =>
      !holds(byId.get(shown.id), registration) ||
      !isDeepStrictEqual(shown.payload, byId.get(shown.id)?.['payload']),
  )
  expect(untrue.slice(0, 3), `${untrue.length} rows, ${seed}`).toEqual([])

  // A row without its 202 can only be of a request that was given up before its answer, or was followed by bytes
  // that are no request: these are answered 400 and end the connection, at times before the 202 was written.
  const accepted = new Set(
    answers.flatMap(({ answer }) =>
      answer?.status === 202 ? [(JSON.parse(answer.body) as TransactionView).id] : [],
    ),
  )
  const givenUp = answers.filter(({ answer }) => answer === null).map(({ request }) => request)
  const garbled = answers.filter(({ request }) => !request.isComplete).map(({ request }) => request)
  const unexplained = rows.filter(
    ({ id, tx_hash: txHash }) =>
      !accepted.has(id) &&
      ![...givenUp, ...garbled].some(({ bytes }) => bytes.toString('latin1').toLowerCase().includes(txHash)),
  )
  expect(unexplained, seed).toEqual([])
  expect(
    givenUp
      .filter((request) => request.isComplete)
      .map(({ bytes }) => bytes.toString('latin1').slice(0, 1_000)),
    seed,
  ).toEqual([])

  // The generator reaches what it is for.
  const statuses = new Set(answers.map(({ answer }) => answer?.status))
  for (const status of [200, 202, 400, 404, 409, 413, 415]) expect(statuses, seed).toContain(status)
}, 180_000)
