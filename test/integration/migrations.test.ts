import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/store/database.ts'
import { type LockPolicy, runMigrations } from '../../src/store/migration-runner.ts'
import { runCommand } from '../support/command.ts'
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts'
import { restoreLeftBehind } from '../support/left-behind.ts'
import { until } from '../support/until.ts'

const FIXTURES = fileURLToPath(new URL('../fixtures/migrations', import.meta.url))
const ALL = ['1_create_things.js', '2_index_things.js', '3_widen_things.js']
/** Short, so that a test sees several attempts. */
const PATIENT: LockPolicy = { timeoutMs: 100, pauseMs: 100, maxAttempts: 10_000 }

describe('migrate', () => {
  let database: TestDatabase
  /** As a back-up has it: one snapshot for as long as it lasts. */
  let backUp: Knex
  let said: string[]

  beforeEach(async () => {
    database = await createEmptyDatabase()
    backUp = openDatabase({ url: database.url, poolMax: 1, applicationName: 'back-up' })
    said = []
  })
  afterEach(async () => {
    await backUp.destroy()
    await database.drop()
  })

  function run(lockPolicy: LockPolicy = PATIENT): Promise<string[]> {
    const say = (message: string) => void said.push(message)
    return runMigrations({ url: database.url, schema: 'public', folder: FIXTURES, say, lockPolicy })
  }

  /** Has the first ones, so that the next is the index, or the change of the table. */
  async function runFirst(count: number): Promise<void> {
    await run()
    await database.db.raw('DROP TABLE widths')
    await database.db.raw('ALTER TABLE things DROP COLUMN width')
    if (count === 1) await database.db.raw('DROP INDEX things_note')
    await database.db('migrations').whereNotIn('name', ALL.slice(0, count)).delete()
  }

  async function openSnapshot(): Promise<Knex.Transaction> {
    const snapshot = await backUp.transaction({ isolationLevel: 'repeatable read' })
    await snapshot.raw('SELECT count(*) FROM things')
    return snapshot
  }

  async function indexes(): Promise<unknown> {
    const { rows } = await database.db.raw(
      `SELECT indexrelid::regclass::text AS name, indisvalid AS valid FROM pg_index
        WHERE indrelid = 'things'::regclass AND NOT indisprimary`,
    )
    return rows
  }

  const tables = async () =>
    (await database.db('pg_tables').where({ schemaname: 'public' }).select('tablename')).map(
      (row) => row.tablename,
    )

  it('builds an index behind an open snapshot for longer than any statement limit, says for whom it waits, and stops no write', async () => {
    await runFirst(1)
    await database.db.raw(`ALTER DATABASE ${database.name} SET statement_timeout = '300ms'`)
    const snapshot = await openSnapshot()
    const running = run()
    await until('it has waited for longer than the limit', async () => {
      const { rows } = await database.db.raw(
        `SELECT 1 FROM pg_stat_activity
          WHERE datname = current_database() AND query LIKE 'CREATE INDEX%' AND query_start < now() - interval '1 second'`,
      )
      await database.db.raw("INSERT INTO things (note) VALUES ('written meanwhile')")
      return rows.length > 0
    })
    expect(await indexes()).toEqual([{ name: 'things_note', valid: false }])
    await snapshot.rollback()
    expect(await running).toEqual(ALL.slice(1))
    expect(await indexes()).toEqual([{ name: 'things_note', valid: true }])
    expect(said).toEqual([
      expect.stringMatching(/^2_index_things.js waits for process \d+ \(back-up, idle in/),
    ])
  })

  it('a change that needs an exclusive lock lets the writes go first, again and again, until it has the lock', async () => {
    await runFirst(2)
    const snapshot = await openSnapshot()
    const running = run()
    for (let written = 0; written < 20; written++) {
      await database.db.raw("INSERT INTO things (note) VALUES ('written meanwhile')")
      await until('it tries again', waitingForLock)
    }
    await snapshot.rollback()
    expect(await running).toEqual([ALL[2]])
    expect(said).toContainEqual(expect.stringMatching(/^3_widen_things.js waits for process \d+ \(back-up, /))
    expect(said).toContainEqual(expect.stringContaining('did not get a lock within 100 ms'))
  })

  async function waitingForLock(): Promise<boolean> {
    const { rows } = await database.db.raw(
      `SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'`,
    )
    return rows.length > 0
  }

  it('gives up in the end, names who holds the lock, and has changed nothing; later it is run again', async () => {
    await runFirst(2)
    const before = await tables()
    const snapshot = await openSnapshot()
    await expect(run({ ...PATIENT, timeoutMs: 500, maxAttempts: 3 })).rejects.toThrow(
      /^3_widen_things.js did not get a lock in 3 attempts of 500 ms: it is held by process \d+ \(back-up, .*Nothing of this migration was changed/,
    )
    expect(await tables()).toEqual(before)
    await snapshot.rollback()
    expect(await run()).toEqual([ALL[2]])
  })

  it('two at once: one waits for the other, and each migration runs once', async () => {
    await runFirst(1)
    const snapshot = await openSnapshot()
    const first = run()
    await until('the first one builds', async () =>
      said.some((message) => message.includes('waits for process')),
    )
    const second = run()
    await until('the second one waits', async () =>
      said.some((message) => message.includes('another migration runs')),
    )
    await snapshot.rollback()
    expect([await first, await second]).toEqual([ALL.slice(1), []])
    expect((await database.db('migrations').orderBy('id')).map(({ name }) => name)).toEqual(ALL)
  })

  it('a lock that version 0.1 left behind in a table stops nothing', async () => {
    await restoreLeftBehind(database.db, 'version-0.1')
    await database.db('confirmd_migrations_lock').update({ is_locked: 1 })
    const { code, stdout } = await runCommand(['migrate'], { DATABASE_URL: database.url })
    expect([code, stdout]).toEqual([0, expect.stringContaining('ran 2026')])
  })

  it('an index that could not be built because of the rows is built anew when they are in order', async () => {
    await runFirst(1)
    await database.db.raw("INSERT INTO things (note) VALUES ('twice'), ('twice')")
    await expect(
      database.db.raw('CREATE UNIQUE INDEX CONCURRENTLY things_note ON things (note)'),
    ).rejects.toThrow('could not create unique index')
    expect(await indexes()).toEqual([{ name: 'things_note', valid: false }])
    await run()
    expect(await indexes()).toEqual([{ name: 'things_note', valid: true }])
  })
})
