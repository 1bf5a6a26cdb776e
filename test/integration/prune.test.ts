import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readAge } from '../../src/prune.ts'
import { pruneBatch } from '../../src/store/prune.ts'
import { createStore } from '../../src/store/store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { rowsReadBy } from '../support/rows-read.ts'
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
    await database.db('confirmd.transaction_history').insert({
      ...{ id, chain: 'kaia', tx_hash: random, kind: 'order', payload: 'null', ...columnsOf(status, at) },
      created_at: at,
    })
    if (status === 'pending') continue
    await database.db('confirmd.outbox').insert({
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
  expect(dry.stdout).toContain('4 transactions of chain kaia are to be pruned: settled before')
  const { stdout } = await confirmd('prune', '--older-than', '90d')
  expect(stdout).toContain('pruned 4 transactions of chain kaia and 4 events')
  const rows = await database.db('confirmd.transaction_history').select('status', 'created_at')
  const old = rows.filter((row) => row.created_at < new Date(Date.now() - 50 * DAY_MS))
  expect(old.map(({ status }) => status).sort()).toEqual(
    ['confirmed', ...CHECKED.map((state) => columnsOf(state, new Date()).status)].sort(),
  )
  expect(rows).toHaveLength(old.length + ALL.length)
  const [unsent] = await database.db('confirmd.outbox').whereNull('sequence').count()
  expect(unsent?.['count']).toBe('1')
})

it('deletes any number, in batches', async () => {
  await database.db.raw(
    `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload, status, created_at, settled_at)
     SELECT CAST('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid), 'kaia', '0x' || lpad(to_hex(n), 64, '0'),
            'order', 'null', 'confirmed', to_timestamp(0), to_timestamp(0)
       FROM generate_series(1, 2500) AS n`,
  )
  const { stdout } = await confirmd('prune', '--older-than', '365d')
  expect(stdout).toContain('pruned 2500 transactions')
})

it('a hash that was pruned is recorded anew', async () => {
  const store = createStore(database.db, { chain: 'kaia' })
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

it('prunes the configured chain, or the one that is named, and no other', async () => {
  const insert = (chain: string) =>
    database.db('confirmd.transaction_history').insert({
      ...{ id: `00000000-0000-7000-8000-${randomHash().slice(2, 14)}`, chain, tx_hash: randomHash() },
      ...{ kind: 'order', payload: 'null', status: 'confirmed', settled_at: new Date(0) },
    })
  await insert('kaia')
  await insert('kairos')
  const chains = async () =>
    (
      await database
        .db('confirmd.transaction_history')
        .where({ settled_at: new Date(0) })
        .select('chain')
    ).map((row) => row.chain)
  expect((await confirmd('prune', '--older-than', '90d')).stdout).toContain(
    'pruned 1 transactions of chain kaia',
  )
  expect(await chains()).toEqual(['kairos'])
  await expect(confirmd('prune', '--older-than', '90d', '--chain', 'kiaros')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      'no transactions of chain kiaros in the database; there are kaia, kairos',
    ),
  })
  await confirmd('prune', '--older-than', '90d', '--chain', 'kairos')
  expect(await chains()).toEqual([])
})

it('reads the same few rows for each batch, however many events there are, and however many are not announced or not delivered', async () => {
  const own = await createTestDatabase()
  try {
    const idOf = "CAST('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid)"
    await own.db.raw(
      `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload, status, settled_at)
       SELECT ${idOf}, 'kaia', '0x' || lpad(to_hex(n), 64, '0'), 'order', 'null', 'confirmed', to_timestamp(0)
         FROM generate_series(1, 20000) AS n`,
    )
    await own.db.raw(
      `INSERT INTO confirmd.outbox (id, transaction_id, chain, status, kind, data, sequence)
       SELECT gen_random_uuid(), ${idOf}, 'kaia', 'confirmed', 'order', '{}', n FROM generate_series(1, 20000) AS n`,
    )
    await own.db('confirmd.webhooks').insert({
      ...{ id: '00000000-0000-4000-8000-000000000001', url: 'https://example.com/', secret: 'whsec_AA' },
    })
    await own.db.raw(
      `INSERT INTO confirmd.webhook_deliveries (webhook_id, position)
       SELECT w.id, o.position FROM confirmd.webhooks AS w CROSS JOIN confirmd.outbox AS o WHERE o.sequence > 10000`,
    )
    await own.db.raw('ANALYZE')
    const batch = { chain: 'kaia', before: new Date(), limit: 100 }
    const late = '00000000-0000-7000-8000-000000004000'
    for (const prefix of [null, 'TX']) {
      for (const after of [null, late]) {
        const read = await rowsReadBy(own.db, () => pruneBatch(own.db, { ...batch, prefix, after }))
        expect(read).toBeGreaterThanOrEqual(100)
        expect(read).toBeLessThan(1_500)
      }
    }
  } finally {
    await own.drop()
  }
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
