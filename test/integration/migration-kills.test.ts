import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { createRandom } from '../drill/random.ts'
import { catalogOf } from '../support/catalog.ts'
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts'
import { restoreLeftBehind } from '../support/left-behind.ts'
import { until } from '../support/until.ts'

const FIXTURES = fileURLToPath(new URL('../fixtures/migrations', import.meta.url))
const PROGRAM = fileURLToPath(new URL('../support/run-migrations.js', import.meta.url))
const KILLS = 20
/** Each kill costs the start of a process. */
const TIMEOUT_MS = 600_000
const START_TIMEOUT_MS = 120_000

interface Migrating {
  readonly child: ChildProcess
  output(): string
  readonly ended: Promise<unknown>
}

/** @param folder if left out, our own migrations and the upgrade from version 0.1 */
function startMigrating(url: string, folder: string[] = []): Migrating {
  const child = spawn(process.execPath, [PROGRAM, url, ...folder])
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  return { child, output: () => output, ended: once(child, 'close') }
}

async function migrateToTheEnd(url: string, folder: string[] = []): Promise<void> {
  const { child, output, ended } = startMigrating(url, folder)
  await ended
  expect([child.exitCode, output()]).toEqual([0, expect.stringMatching(/ran \d+\n$/)])
}

/**
 * Stops each statement that changes the schema, at its begin and at its end, if it is the wanted one: there are twice as
 * many points as statements. A sequence counts them, since it is not rolled back.
 */
async function layStops({ db }: TestDatabase): Promise<void> {
  await db.raw('CREATE SCHEMA stops')
  await db.raw('CREATE SEQUENCE stops.passed')
  await db.raw('CREATE TABLE stops.wanted (point bigint)')
  await db.raw('INSERT INTO stops.wanted VALUES (0)')
  await db.raw(`
    CREATE FUNCTION stops.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF nextval('stops.passed') = (SELECT point FROM stops.wanted) THEN PERFORM pg_sleep(3600); END IF;
    END $$`)
  for (const event of ['ddl_command_start', 'ddl_command_end']) {
    await db.raw(`CREATE EVENT TRIGGER ${event} ON ${event} EXECUTE FUNCTION stops.stop()`)
  }
}

async function stopAt({ db }: TestDatabase, point: number): Promise<void> {
  await db.raw("SELECT setval('stops.passed', 1, false)")
  await db('stops.wanted').update({ point })
}

/** The server's process that was stopped, but for one that was killed before and is not gone yet; null if none is. */
async function stoppedProcess({ db }: TestDatabase, killed: number | null): Promise<number | null> {
  const { rows } = await db.raw<{ rows: { pid: number }[] }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
  )
  return rows.find(({ pid }) => pid !== killed)?.pid ?? null
}

/** All that the migrations made, and which of them are noted. */
async function schemaOf({ db }: TestDatabase): Promise<unknown> {
  const names: { name: string }[] = await db('confirmd.migrations').select('name').orderBy('name')
  return [...(await catalogOf(db, 'confirmd')), ...names]
}

it(
  `a migration that is killed at any point is resumed by running it again: ${KILLS} of them, each within a statement`,
  async () => {
    const seed = Date.now() % 1_000_000
    const random = createRandom(String(seed))
    const plain = await createEmptyDatabase()
    await layStops(plain)
    await migrateToTheEnd(plain.url)
    const wanted = await schemaOf(plain)
    const { rows } = await plain.db.raw('SELECT last_value FROM stops.passed')
    const points = Number(rows[0].last_value)
    await plain.drop()
    let kills = 0
    while (kills < KILLS) {
      const database = await createEmptyDatabase()
      try {
        if (random() < 0.5) await restoreLeftBehind(database.db, 'version-0.1')
        await layStops(database)
        let killed: number | null = null
        for (let hasEnded = false; !hasEnded; ) {
          // A part of what there is, so that a database is killed several times.
          await stopAt(database, kills < KILLS ? 1 + Math.floor((random() * points) / 2) : 0)
          const { child, output, ended } = startMigrating(database.url)
          const previous = killed
          await until(
            'it is stopped, or has ended',
            async () => {
              killed = await stoppedProcess(database, previous)
              return child.exitCode !== null || killed !== null
            },
            START_TIMEOUT_MS,
          )
          hasEnded = child.exitCode !== null
          if (hasEnded) expect([seed, child.exitCode, output()]).toEqual([seed, 0, expect.anything()])
          else {
            kills += 1
            child.kill('SIGKILL')
          }
          await ended
        }
        expect([seed, await schemaOf(database)]).toEqual([seed, wanted])
      } finally {
        await database.drop()
      }
    }
  },
  TIMEOUT_MS,
)

it(
  'an index whose build was killed is built by the next run, and nothing of the killed one goes on',
  async () => {
    const database = await createEmptyDatabase()
    try {
      await migrateToTheEnd(database.url, [FIXTURES])
      await database.db.raw('DROP INDEX things_note')
      await database.db('migrations').where('name', 'like', '2%').delete()
      const snapshot = await database.db.transaction({ isolationLevel: 'repeatable read' })
      await snapshot.raw('SELECT count(*) FROM things')
      const building = () =>
        database
          .db('pg_stat_activity')
          .where('query', 'like', 'CREATE INDEX%')
          .where({ state: 'active' })
          .select('pid')
      const isValid = async () =>
        (
          await database.db.raw(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('things_note')",
          )
        ).rows
      const { child, output, ended } = startMigrating(database.url, [FIXTURES])
      await until('it waits for the snapshot', () => output().includes('waits for process'), START_TIMEOUT_MS)
      child.kill('SIGKILL')
      await ended
      await until('the server has ended it', async () => (await building()).length === 0)
      expect(await isValid()).toEqual([{ indisvalid: false }])
      await snapshot.rollback()
      await migrateToTheEnd(database.url, [FIXTURES])
      expect(await isValid()).toEqual([{ indisvalid: true }])
    } finally {
      await database.drop()
    }
  },
  TIMEOUT_MS,
)
