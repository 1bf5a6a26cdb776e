import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/dev/embedded-postgres.ts'
import { startLeashed } from '../src/dev/leashed.ts'
import {
  findRabbitmqServer,
  type PrivateRabbitmq,
  startPrivateRabbitmq,
} from '../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder } from '../src/dev/temporary-folder.ts'
import type { Lifecycle } from '../src/lifecycle.ts'
import { openDatabase } from '../src/store/database.ts'

/** What all programs of a benchmark share: a database and a broker of their own. */
export interface Parts {
  readonly postgres: EmbeddedPostgres
  readonly rabbitmq: PrivateRabbitmq
}

export const HANDLERS = fileURLToPath(new URL('handlers.js', import.meta.url))

/** Commit times are kept, so that what comes after a commit can be measured from it. */
const SETTINGS = ['max_connections=200', 'track_commit_timestamp=on']

export async function startParts(lifecycle: Lifecycle): Promise<Parts> {
  const folder = await createTemporaryFolder()
  lifecycle.add('temporary folder', folder.remove)
  const postgres = await startEmbeddedPostgres({ folder: folder.path, settings: SETTINGS })
  lifecycle.add('PostgreSQL', postgres.stop)
  const serverPath = await findRabbitmqServer()
  if (!serverPath) throw new Error('the benchmarks need RabbitMQ: install rabbitmq-server')
  const rabbitmq = await startPrivateRabbitmq(serverPath, folder.path)
  lifecycle.add('RabbitMQ', rabbitmq.stop)
  return { postgres, rabbitmq }
}

let databases = 0

/** An empty database on the server, with our schema and the table of the business writes. */
export async function createDatabase(
  lifecycle: Lifecycle,
  { postgres }: Parts,
): Promise<{ url: string; db: Knex }> {
  const name = `bench_${process.pid}_${++databases}`
  const admin = openDatabase({ url: postgres.url, poolMax: 1, applicationName: 'bench' })
  await admin.raw('CREATE DATABASE ??', [name])
  await admin.destroy()
  const url = new URL(postgres.url)
  url.pathname = `/${name}`
  const db = openDatabase({ url: url.href, poolMax: 4, applicationName: 'bench' })
  lifecycle.add(`database ${name}`, () => db.destroy())
  const env = { ...process.env, DATABASE_URL: url.href }
  await promisify(execFile)(process.execPath, ['dist/main.js', 'migrate'], { env })
  await db.raw('CREATE TABLE orders (transaction_id uuid NOT NULL, tx_hash text NOT NULL)')
  return { url: url.href, db }
}

/** Runs a file of this folder as a process of its own; resolves with the first line it prints, its URL. */
export async function startProgram(
  lifecycle: Lifecycle,
  file: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  let printed = ''
  let first: (line: string) => void = () => undefined
  const line = new Promise<string>((resolve) => {
    first = resolve
  })
  const program = startLeashed({
    command: process.execPath,
    parameters: ['--import', 'jiti/register', fileURLToPath(new URL(file, import.meta.url))],
    environment,
    stopSignal: 'SIGTERM',
    onOutput: (text) => {
      printed += text
      const end = printed.indexOf('\n')
      if (end !== -1) first(printed.slice(0, end))
    },
  })
  lifecycle.add(file, program.stop)
  const ended = program.ended.then((code) => {
    throw new Error(`${file} ended with ${code}: ${program.output()}`)
  })
  ended.catch(() => undefined)
  return Promise.race([line, ended])
}
