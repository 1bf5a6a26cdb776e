import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readAge } from '../../src/prune.ts'
import { createStore } from '../../src/store/store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { randomHash } from '../support/scripted-node.ts'

const DAY_MS = 86_400_000

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

function confirmd(...parameters: string[]) {
  const env = { ...process.env, DATABASE_URL: database.url }
  return promisify(execFile)(process.execPath, ['dist/main.js', ...parameters], { env })
}

let events = 0

/** Rows of each state that were recorded, and settled if they are, so many days ago; each with its event. */
async function recordPast(days: number, statuses: readonly string[], sent: boolean): Promise<void> {
  const at = new Date(Date.now() - days * DAY_MS)
  const stamp = at.getTime().toString(16).padStart(12, '0')
  for (const status of statuses) {
    const random = randomHash()
    const id = `${stamp.slice(0, 8)}-${stamp.slice(8)}-7${random.slice(2, 5)}-8${random.slice(5, 8)}-${random.slice(8, 20)}`
    await database.db('transaction_history').insert({
      ...{ id, chain: 'kaia', tx_hash: random, kind: 'order', payload: 'null', ...columnsOf(status, at) },
      created_at: at,
    })
    if (status === 'pending') continue
    await database.db('outbox').insert({
      ...{
        id: database.db.raw('gen_random_uuid()'),
        transaction_id: id,
        status: columnsOf(status, at).status,
      },
      ...{ kind: 'order', data: '{}' },
      sequence: sent ? ++events : null,
    })
  }
}

/** What is still checked, or parked, may still become confirmed. */
const CHECKED = [
  'pending',
  'stalled',
  'replaced, still checked',
  'expired, still checked',
  'replaced, parked',
]
const ALL = [...CHECKED, 'confirmed', 'failed', 'replaced', 'expired']

function columnsOf(state: string, at: Date) {
  const [status = '', more] = state.split(', ')
  return {
    status,
    settled_at: ['pending', 'stalled'].includes(status) ? null : at,
    next_check_at: CHECKED.includes(state) && more !== 'parked' ? new Date() : null,
    parked_at: more === 'parked' ? at : null,
    park_code: more === 'parked' ? 'handler-failed' : null,
  }
}

it('deletes what was settled longer ago than it is told, and nothing that may still change or of which somebody is to be told', async () => {
  await recordPast(100, ALL, true)
  await recordPast(100, ['confirmed'], false)
  await recordPast(10, ALL, true)
  const dry = await confirmd('prune', '--older-than', '90d', '--dry-run')
  expect(dry.stdout).toContain('4 transactions are to be pruned: settled before')
  const { stdout } = await confirmd('prune', '--older-than', '90d')
  expect(stdout).toContain('pruned 4 transactions and 4 events')
  const rows = await database.db('transaction_history').select('status', 'created_at')
  const old = rows.filter((row) => row.created_at < new Date(Date.now() - 50 * DAY_MS))
  expect(old.map(({ status }) => status).sort()).toEqual(
    ['confirmed', ...CHECKED.map((state) => columnsOf(state, new Date()).status)].sort(),
  )
  expect(rows).toHaveLength(old.length + ALL.length)
  const [unsent] = await database.db('outbox').whereNull('sequence').count()
  expect(unsent?.['count']).toBe('1')
})

it('deletes any number, in batches', async () => {
  await database.db.raw(
    `INSERT INTO transaction_history (id, chain, tx_hash, kind, payload, status, created_at, settled_at)
     SELECT CAST('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid), 'kaia', '0x' || lpad(to_hex(n), 64, '0'),
            'order', 'null', 'confirmed', to_timestamp(0), to_timestamp(0)
       FROM generate_series(1, 2500) AS n`,
  )
  const { stdout } = await confirmd('prune', '--older-than', '365d')
  expect(stdout).toContain('pruned 2500 transactions')
})

it('a hash that was pruned is recorded anew', async () => {
  const store = createStore(database.db)
  const registration = { chain: 'kaia', txHash: `0x${'0'.repeat(63)}1`, kind: 'order', payload: null }
  const { outcome } = await store.record({
    ...registration,
    sender: null,
    nonce: null,
    correlationId: null,
    traceParent: null,
  })
  expect(outcome).toBe('recorded')
})

it('says what an age must be', async () => {
  expect(readAge('90d')).toBe(90 * DAY_MS)
  expect(readAge('12h')).toBe(DAY_MS / 2)
  expect(readAge('30m')).toBe(1_800_000)
  for (const wrong of ['', '90', 'd', '1.5d', '-1d', '90 d', '1w']) {
    expect(() => readAge(wrong)).toThrow('such as 90d')
  }
  await expect(confirmd('prune', '--older-than', 'long')).rejects.toMatchObject({ code: 78 })
})
