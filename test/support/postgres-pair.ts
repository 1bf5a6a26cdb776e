import { execFile } from 'node:child_process'
import { chown, copyFile, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import type { Lifecycle } from '../../src/lifecycle.ts'
import { openDatabase } from '../../src/store/database.ts'
import { until } from './until.ts'

/** A primary and a standby that streams from it. */
export interface PostgresPair {
  readonly primary: EmbeddedPostgres
  readonly standby: EmbeddedPostgres
  /** The standby receives nothing any more; if commits wait for it, they wait for good. */
  stopStreaming(): Promise<void>
  /** SIGKILL to the primary and all of its processes, as if its machine were lost. */
  killPrimary(): Promise<void>
  /** Starts the killed primary again, on the same port, as a standby that nobody feeds: it can only be read. */
  returnReadOnly(): Promise<void>
  /** Makes the standby a primary of its own, which waits for no standby. */
  promoteStandby(): Promise<void>
}

export interface PostgresPairOptions {
  /** Of an installed PostgreSQL: the embedded one has no pg_basebackup. */
  readonly programs: string
  readonly settings: readonly string[]
  /** Whether each commit waits for the standby. */
  readonly isSynchronous: boolean
}

const STANDBY = 'standby'

/** Both end with the lifecycle. */
export async function startPostgresPair(
  lifecycle: Lifecycle,
  { programs, settings, isSynchronous }: PostgresPairOptions,
): Promise<PostgresPair> {
  const binaries = { initdb: join(programs, 'initdb'), postgres: join(programs, 'postgres') }
  const folders: string[] = []
  for (const name of ['primary', STANDBY]) {
    const folder = await createTemporaryFolder()
    lifecycle.add(`folder of the ${name}`, folder.remove)
    folders.push(folder.path)
  }
  const [primaryFolder = '', standbyFolder = ''] = folders
  const primary = await startEmbeddedPostgres({ folder: primaryFolder, settings, binaries })
  lifecycle.add('primary', primary.stop)
  // First, as in most installations: so the base backup brings the setting to the standby, too.
  if (isSynchronous) await setSynchronous(primary.url, STANDBY)
  await copyPrimary(programs, primary, primaryFolder, standbyFolder)
  const standby = await startEmbeddedPostgres({ folder: standbyFolder, settings, binaries })
  lifecycle.add('standby', standby.stop)
  const state = isSynchronous ? 'sync' : 'async'
  await onDatabase(primary.url, (db) =>
    until(`the standby streams, ${state}`, async () => {
      const rows = await db('pg_stat_replication').where({ state: 'streaming', sync_state: state })
      return rows.length === 1
    }),
  )
  return {
    primary,
    standby,
    stopStreaming: () =>
      onDatabase(standby.url, async (db) => {
        await db.raw(`ALTER SYSTEM SET primary_conninfo = ''`)
        await db.raw('SELECT pg_reload_conf()')
        await until(
          'the standby receives nothing',
          async () => (await db('pg_stat_wal_receiver')).length === 0,
        )
      }),
    killPrimary: () => killServer(join(primaryFolder, 'data')),
    returnReadOnly: async () => {
      const data = join(primaryFolder, 'data')
      const signal = join(data, 'standby.signal')
      const { uid, gid } = await stat(data)
      await writeFile(signal, '', { mode: 0o600 })
      await chown(signal, uid, gid)
      await primary.restart()
    },
    promoteStandby: async () => {
      await onDatabase(standby.url, (db) => db.raw('SELECT pg_promote()'))
      await setSynchronous(standby.url, '')
    },
  }
}

/** In the file that a base backup copies; '' to wait for none. */
export async function setSynchronous(url: string, names: string): Promise<void> {
  await onDatabase(url, async (db) => {
    await db.raw(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
    await db.raw('SELECT pg_reload_conf()')
  })
}

/** The copy starts as a standby, and with the same password. */
async function copyPrimary(
  programs: string,
  { url }: EmbeddedPostgres,
  primaryFolder: string,
  standbyFolder: string,
): Promise<void> {
  const source = new URL(url)
  source.searchParams.set('application_name', STANDBY)
  await promisify(execFile)(join(programs, 'pg_basebackup'), [
    ...['--dbname', source.toString(), '--pgdata', join(standbyFolder, 'data')],
    ...['--write-recovery-conf', '--checkpoint=fast', '--no-sync'],
  ])
  await copyFile(join(primaryFolder, 'password'), join(standbyFolder, 'password'))
}

async function killServer(data: string): Promise<void> {
  const server = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])
  const children = await readFile(`/proc/${server}/task/${server}/children`, 'utf8')
  const pids = [server, ...children.trim().split(' ').filter(Boolean).map(Number)]
  for (const pid of pids) signalIfThere(pid, 'SIGKILL')
  await until('all processes of the server are gone', () => !pids.some((pid) => signalIfThere(pid, 0)))
}

/** False if there is no such process. */
function signalIfThere(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

async function onDatabase<T>(url: string, work: (db: Knex) => PromiseLike<T>): Promise<T> {
  const db = openDatabase({ url, poolMax: 1, applicationName: 'test of failovers' })
  try {
    return await work(db)
  } finally {
    await db.destroy()
  }
}
