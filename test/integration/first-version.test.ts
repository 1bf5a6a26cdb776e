import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../src/store/migrations.ts'
import { describeWithBroker } from '../support/broker.ts'
import { catalogOf } from '../support/catalog.ts'
import { runCommand } from '../support/command.ts'
import type { World } from '../support/confirmd.ts'
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createWorldLeftBehind, expectCarriedOn, hashOf, restoreLeftBehind } from '../support/left-behind.ts'

const TABLES = [
  'activity',
  'chain_cursors',
  'event_cursors',
  'outbox',
  'processes',
  'transaction_history',
  'webhook_attempts',
  'webhook_deliveries',
  'webhooks',
]

describe('migrate, on a database of version 0.1', () => {
  let database: TestDatabase
  let said: string[]
  beforeEach(async () => {
    database = await createEmptyDatabase()
    await restoreLeftBehind(database.db, 'version-0.1')
    said = []
  })
  afterEach(() => database.drop())

  const run = () => migrate(database.url, { say: (message) => void said.push(message) })

  /** As it was before, with all its rows. */
  async function expectUnchanged(before: readonly unknown[]): Promise<void> {
    expect(await catalogOf(database.db, 'public')).toEqual(before)
    expect(await catalogOf(database.db, 'confirmd')).toEqual([])
    expect(await database.db('public.transaction_history').count()).toEqual([{ count: '7' }])
  }

  it('makes the same schema as on an empty one, and keeps every row', async () => {
    const fresh = await createTestDatabase()
    try {
      const { rows: counts } = await countRows('public')
      await run()
      expect(await catalogOf(database.db, 'confirmd')).toEqual(await catalogOf(fresh.db, 'confirmd'))
      expect((await countRows('confirmd')).rows).toEqual(counts)
      expect(await catalogOf(database.db, 'public')).toEqual([])
      expect(await run()).toEqual([])
    } finally {
      await fresh.drop()
    }
  })

  function countRows(schema: string): Promise<{ rows: unknown[] }> {
    const counts = TABLES.map((table) => `SELECT '${table}' AS name, count(*) FROM ${schema}.${table}`)
    return database.db.raw(counts.join(' UNION ALL '))
  }

  it('says which rows 0.1 decided with less evidence, and how they are checked once more', async () => {
    const { stdout, stderr, code } = await runCommand(['migrate'], { DATABASE_URL: database.url })
    expect([code, stdout]).toEqual([0, expect.stringContaining('ran 20261128000000_create_transactions.js')])
    expect(stderr).toMatch(
      /moved from the schema public to confirmd. 1 transactions are replaced and 1 expired/,
    )
    expect(stderr).toContain("'confirmd recheck --status replaced'")
  })

  it('lists the foreign keys, views and functions of others that name its tables; keys and views follow', async () => {
    await database.db.raw(`
      CREATE TABLE shipments (transaction_id uuid CONSTRAINT shipment_of REFERENCES transaction_history);
      INSERT INTO shipments VALUES ('01a1fcf8-0000-7698-b979-000000000004');
      CREATE VIEW paid AS SELECT tx_hash FROM transaction_history WHERE status = 'confirmed';
      CREATE FUNCTION count_paid() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM transaction_history $$`)
    await run()
    expect(said.slice(0, 3)).toEqual([
      expect.stringMatching(/^the function count_paid\(\) names transaction_history: change its text/),
      expect.stringMatching(
        /^the foreign key shipment_of of shipments refers to transaction_history and follows/,
      ),
      expect.stringMatching(/^the view paid reads transaction_history and follows/),
    ])
    expect(await database.db('paid').select('tx_hash')).toEqual([{ tx_hash: hashOf(4) }])
    await expect(
      database
        .db('confirmd.transaction_history')
        .where({ tx_hash: hashOf(4) })
        .delete(),
    ).rejects.toThrow(/shipment_of/)
  })

  it('refuses while a process of 0.1 runs, and names it', async () => {
    await database.db('processes').update({ seen_at: database.db.fn.now() })
    const before = await catalogOf(database.db, 'public')
    await expect(run()).rejects.toThrow(/0\.1 are running: worker on host-1, process 7\. Stop them all/)
    await expectUnchanged(before)
  })

  it('refuses where a table of another owner has one of its names', async () => {
    await database.db.raw('CREATE SCHEMA theirs; CREATE TABLE theirs.outbox (note text)')
    const before = await catalogOf(database.db, 'public')
    await expect(migrate(database.url, { schema: 'theirs' })).rejects.toThrow(
      /the schema theirs has tables of these names already: outbox. Set DATABASE_SCHEMA/,
    )
    await expectUnchanged(before)
  })

  it.each([
    ['lacks', '20261121000008_keep_looks_and_activity.js', "Run 'confirmd migrate' of version 0.1 first"],
    ['has', '20261127000000_of_a_build_between.js', 'of a build between two versions'],
  ])('refuses what %s %s', async (relation, name, reason) => {
    const names = database.db('confirmd_migrations')
    await (relation === 'has' ? names.insert({ name, batch: 3 }) : names.where({ name }).delete())
    const before = await catalogOf(database.db, 'public')
    await expect(run()).rejects.toThrow(new RegExp(`${name}.*${reason}|${reason}.*${name}`))
    await expectUnchanged(before)
  })
})

describeWithBroker('what version 0.1 left behind', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorldLeftBehind('version-0.1')
  })
  afterEach(() => world.close())

  it('is carried on, rows and messages, each to its end, and the feed goes on where it was', async () => {
    const worker = await expectCarriedOn(world, 'version-0.1')
    const api = await world.start('api')
    const answered = await fetch(`${api.url}/v1/events?after=2`)
    const { events } = (await answered.json()) as { events: unknown[] }
    expect(events[0]).toMatchObject({
      sequence: '0000000000000000003',
      type: 'confirmd.transaction.replaced.v1',
    })
    await worker.stop()
  })
})
