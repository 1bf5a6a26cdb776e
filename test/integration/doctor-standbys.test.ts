import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import { openDatabase } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrations.ts'
import { runCommand } from '../support/command.ts'
import { type PostgresPair, setSynchronous, startPostgresPair } from '../support/postgres-pair.ts'
import { until } from '../support/until.ts'

const programs = inject('postgresTools')

describe.runIf(programs !== null)('doctor, of standbys', () => {
  const lifecycle = createLifecycle((name, error) => process.stderr.write(`${name}: ${String(error)}\n`))
  let pair: PostgresPair
  let db: Knex
  beforeAll(async () => {
    const settings = ['fsync=off', 'wal_level=logical']
    pair = await startPostgresPair(lifecycle, { programs: programs ?? '', settings, isSynchronous: false })
    db = openDatabase({ url: pair.primary.url, poolMax: 2, applicationName: 'test' })
    lifecycle.add('database', () => db.destroy())
    await migrate(pair.primary.url)
  })
  afterAll(() => lifecycle.releaseAll())

  async function standbysSeen(url = pair.primary.url) {
    const { stdout } = await runCommand(['doctor', '--json'], { DATABASE_URL: url })
    const { checks } = JSON.parse(stdout) as {
      checks: { check: string; outcome: string; text: string; advice: string | null }[]
    }
    return checks.filter(({ check }) => check === 'standbys')
  }

  const WARNED = {
    outcome: 'warn',
    text: expect.stringMatching(/^standby: .*a failover loses/),
    advice: expect.stringContaining('synchronous_standby_names'),
  }

  it('warns while no commit waits for one that streams, and says what to set', async () => {
    expect(await standbysSeen()).toMatchObject([WARNED])
  })

  it('says so of a user who may not see whether it is one', async () => {
    await db.raw(`CREATE ROLE shop LOGIN PASSWORD 'secret'`)
    await db.raw('GRANT USAGE ON SCHEMA confirmd TO shop; GRANT ALL ON ALL TABLES IN SCHEMA confirmd TO shop')
    const url = new URL(pair.primary.url)
    url.username = 'shop'
    url.password = 'secret'
    expect(await standbysSeen(url.toString())).toMatchObject([
      {
        outcome: 'warn',
        text: expect.stringContaining('shop may not see'),
        advice: expect.stringMatching(/^GRANT pg_monitor TO shop.*synchronous_standby_names/),
      },
    ])
    await db.raw('GRANT pg_monitor TO shop')
    expect(await standbysSeen(url.toString())).toMatchObject([WARNED])
  })

  it('finds nothing to do once each commit waits, unless the sessions of confirmd do not', async () => {
    await setSynchronous(pair.primary.url, 'ANY 1 (*)')
    try {
      await until('they wait', async () => (await standbysSeen())[0]?.outcome === 'ok')
      for (const commit of ['off', 'local']) {
        await db.raw(`ALTER ROLE postgres SET synchronous_commit = ${commit}`)
        expect(await standbysSeen()).toMatchObject([
          { outcome: 'warn', advice: 'set synchronous_commit = on for postgres' },
        ])
      }
      await db.raw('ALTER ROLE postgres RESET synchronous_commit')
      expect(await standbysSeen()).toMatchObject([{ outcome: 'ok' }])
    } finally {
      await setSynchronous(pair.primary.url, '')
    }
  })

  it('takes what archives, and a logical subscriber, for no standby', async () => {
    await pair.standby.stop()
    const folder = await createTemporaryFolder()
    await db.raw(`SELECT pg_create_logical_replication_slot('subscriber', 'pgoutput')`)
    await db.raw('CREATE PUBLICATION everything FOR ALL TABLES')
    const source = ['--dbname', pair.primary.url]
    const receivers = [
      spawn(join(programs ?? '', 'pg_receivewal'), [...source, '--directory', folder.path]),
      spawn(join(programs ?? '', 'pg_recvlogical'), [
        ...[...source, '--slot', 'subscriber', '--start', '--file', '/dev/null'],
        ...['--option', 'proto_version=1', '--option', 'publication_names=everything'],
      ]),
    ]
    try {
      await until('both stream', async () => {
        const rows = await db('pg_stat_replication').where({ state: 'streaming' })
        return rows.length === receivers.length
      })
      expect(await standbysSeen()).toMatchObject([{ outcome: 'ok', text: 'none streams from this database' }])
    } finally {
      for (const receiver of receivers) {
        const ended = once(receiver, 'close')
        receiver.kill('SIGTERM')
        await ended
      }
      // The server notices that its reader has ended some moments later, and keeps the slot until then.
      await until('the slot is free', async () => {
        const held = await db('pg_replication_slots').where({ active: true })
        return held.length === 0
      })
      await db.raw(`SELECT pg_drop_replication_slot('subscriber')`)
      await folder.remove()
    }
  })
})
