import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { openDatabase } from '../../src/store/database.ts'
import { renewLeases } from '../../src/store/lease.ts'
import { migrate } from '../../src/store/migrations.ts'
import { listProcesses, reportProcess } from '../../src/store/processes.ts'
import { createStore } from '../../src/store/store.ts'
import { together } from '../../src/store/together.ts'
import { markUnpublished } from '../../src/store/unpublished.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { pagesReadBy } from '../support/rows-read.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const postgresTools = inject('postgresTools')

describe('the statements of the store', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterAll(() => database.drop())

  const idOf = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`

  async function insertRows(ids: readonly string[], columns: object): Promise<void> {
    for (const id of ids) {
      const row = { id, chain: 'kaia', tx_hash: randomHash(), kind: 'order', payload: 'null', ...columns }
      await database.db('confirmd.transaction_history').insert(row)
    }
  }

  it('go on working on a connection that had prepared them when a later release adds a column', async () => {
    const old = openDatabase({ url: database.url, poolMax: 1, applicationName: 'the release before' })
    try {
      const store = createStore(old, { chain: 'kaia' })
      const report = { id: randomUUID(), role: 'worker', host: 'h', pid: 1, version: '1' } as const
      const state = { nodes: [], leads: false, followedBlock: null }
      const all = async () => {
        await reportProcess(old, { ...report, startedAt: new Date(), state })
        await listProcesses(old)
        await store.leaseOverdue({ graceMs: 1, limit: 1 })
        await store.leaseWatched({ intervalMs: 1, limit: 1 })
        await store.list({ limit: 1 })
        await store.loadOpen(idOf(1))
        await store.readEvents({ after: 0, limit: 1 })
        await store.listWebhooks()
        await store.leaseDeliveries({ perWebhook: 1, inHand: {}, room: 1, leaseMs: 1 })
      }
      await all()
      for (const table of ['processes', 'transaction_history', 'outbox', 'webhooks', 'webhook_deliveries']) {
        await database.db.raw('ALTER TABLE ?? ADD COLUMN of_a_later_release text', [`confirmd.${table}`])
      }
      await all()
    } finally {
      await old.destroy()
    }
  })

  it.each([
    ['markUnpublished', (db: Knex, ids: readonly string[]) => markUnpublished(db, ids, 1_000)],
    ['renewLeases', (db: Knex, ids: readonly string[]) => renewLeases(db, { ids, leaseMs: 1_000 })],
  ])('%s locks rows in the order of their ids, not in that of the table', async (_, work) => {
    await database.db('confirmd.transaction_history').delete()
    const [first, second] = [idOf(1), idOf(2)]
    const past = new Date(Date.now() - 60_000)
    await insertRows([second, first], { next_check_at: past, leased_until: past })
    // The order of the table is the other one.
    await database.db.raw(`ALTER DATABASE ${database.name} SET enable_indexscan = off`)
    await database.db.raw(`ALTER DATABASE ${database.name} SET enable_bitmapscan = off`)
    const scanning = openDatabase({ url: database.url, poolMax: 1, applicationName: 'test' })
    const holder = await database.db.transaction()
    await holder('confirmd.transaction_history').where({ id: first }).forUpdate().first()
    const waiting = work(scanning, [second, first])
    await until('it waits for the first', async () => {
      const { rows } = await database.db.raw(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      return rows.length > 0
    })
    const free = await database
      .db('confirmd.transaction_history')
      .where({ id: second })
      .forUpdate()
      .skipLocked()
    await holder.commit()
    await waiting
    await scanning.destroy()
    expect(free).toHaveLength(1)
  })

  it('work that a deadlock ended is done again, also where it is of a single item', async () => {
    await database.db('confirmd.transaction_history').delete()
    const [first, second] = [idOf(1), idOf(2)]
    await insertRows([first, second], {})
    const lock = (trx: Knex.Transaction, id: string) =>
      trx('confirmd.transaction_history').where({ id }).forUpdate().first()
    const other = await database.db.transaction()
    await other.raw("SET LOCAL deadlock_timeout = '1min'")
    await lock(other, second)
    let attempts = 0
    let crossing: Promise<unknown> = Promise.resolve()
    const outcomes = await together(['item'], async () =>
      database.db.transaction(async (trx) => {
        attempts += 1
        await trx.raw("SET LOCAL deadlock_timeout = '10ms'")
        await lock(trx, first)
        if (attempts === 1) crossing = lock(other, first).then(() => other.commit())
        if (attempts === 2) await crossing
        await lock(trx, second)
        return ['done']
      }),
    )
    expect([outcomes, attempts]).toEqual([[{ status: 'fulfilled', value: 'done' }], 2])
  })
})

describe.runIf(postgresTools !== null)('on PostgreSQL 15', () => {
  it('a hash is found without its chain by the index, on whichever chain it is', async () => {
    const folder = await createTemporaryFolder()
    const binaries = {
      initdb: join(postgresTools ?? '', 'initdb'),
      postgres: join(postgresTools ?? '', 'postgres'),
    }
    const postgres = await startEmbeddedPostgres({ folder: folder.path, settings: ['fsync=off'], binaries })
    const db = openDatabase({ url: postgres.url, poolMax: 2, applicationName: 'test' })
    try {
      await migrate(postgres.url)
      await db.raw(
        `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload)
         SELECT gen_random_uuid(), 'chain-' || n % 3, '0x' || md5('a' || n) || md5('b' || n), 'order', 'null'
           FROM generate_series(1, 30000) AS n`,
      )
      await db.raw('ANALYZE confirmd.transaction_history')
      const store = createStore(db, { chain: 'kaia' })
      const { rows } = await db.raw<{ rows: { tx_hash: string; chain: string }[] }>(
        'SELECT tx_hash, chain FROM confirmd.transaction_history ORDER BY tx_hash LIMIT 20',
      )
      for (const { tx_hash: txHash, chain } of rows) {
        expect(await store.list({ txHash, limit: 51 })).toMatchObject([{ txHash, chain }])
      }
      expect(await store.list({ txHash: randomHash(), limit: 51 })).toEqual([])
      const pages = await pagesReadBy(db, () => store.list({ txHash: randomHash(), limit: 51 }))
      expect(pages).toBeLessThan(60)
    } finally {
      await db.destroy()
      await postgres.stop()
      await folder.remove()
    }
  })
})
