import type { Knex } from 'knex'
import { type BrokerSession, openSession } from '../broker/session.ts'
import { type Config, ConfigError, readConfig } from '../config.ts'
import { readEmbeddedUrls } from '../dev/embedded-urls.ts'
import { createRedact } from '../observe/redact.ts'
import { splitAmqpUrls } from '../read-amqp-urls.ts'
import { describeDatabase, openDatabase } from '../store/database.ts'
import { demandSessions } from '../store/pooling.ts'
import { createStore, type Store } from '../store/store.ts'
import { CommandError, EXIT } from './exit.ts'
import { endWithReader, printError } from './output.ts'

/** What a command works on: the same parts as the roles, without any process of theirs. */
export interface Parts {
  readonly config: Config
  readonly db: Knex
  readonly store: Store
  /** The database's location without its password. */
  readonly where: string
}

/** For flows and parts whose log is for a process that stays. */
export const SILENT_LOG = { info: () => undefined, warn: () => undefined, error: () => undefined }

const POOL_MAX = 4
const NO_NODES_NEEDED = 'http://not-needed'

/** Does a command's work and sets the exit code; what it fails of is said on standard error, without secrets. */
export async function runCommand(name: string, work: () => Promise<void> | void): Promise<void> {
  endWithReader()
  try {
    await work()
  } catch (error) {
    const known = error instanceof CommandError
    const text = known ? error.message : `${name} failed: ${messageOf(error)}`
    printError(createRedact(urlsIn(commandSettings()))(text))
    process.exitCode = known ? error.exitCode : EXIT.failed
  }
}

/** The settings of a command, which can do without nodes also in production. */
export function commandConfig(): Config {
  const settings = commandSettings()
  if (settings['RPC_URLS']?.trim()) return readSettings(settings)
  return { ...readSettings({ ...settings, RPC_URLS: NO_NODES_NEEDED }), rpcEndpoints: null }
}

/** The environment; where it names no database, the parts of a `start` that runs in this folder. */
export function commandSettings(): Readonly<Record<string, string | undefined>> {
  if (process.env['DATABASE_URL']?.trim()) return process.env
  const set = Object.entries(process.env).filter(([, value]) => value?.trim())
  return { ...readEmbeddedUrls(), ...Object.fromEntries(set) }
}

export function readSettings(settings: Readonly<Record<string, string | undefined>>): Config {
  try {
    return readConfig(settings, process.env)
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(EXIT.config, error.message)
    throw error
  }
}

/** For what works on the database that the roles use. */
export async function withParts(command: string, work: (parts: Parts) => Promise<void>): Promise<void> {
  const config = commandConfig()
  const { databaseUrl } = config
  if (databaseUrl === null) {
    throw new CommandError(
      EXIT.config,
      `${command} needs DATABASE_URL: set it to the PostgreSQL that the api and the workers use. ` +
        "It is not needed where 'confirmd start' runs with its embedded one, in the folder that it was started in",
    )
  }
  await withOpenDatabase(command, config, databaseUrl, work)
}

export async function withOpenDatabase(
  command: string,
  config: Config,
  databaseUrl: string,
  work: (parts: Parts) => Promise<void>,
): Promise<void> {
  await demandSessions(databaseUrl)
  const db = openDatabase({
    url: databaseUrl,
    schema: config.databaseSchema,
    poolMax: POOL_MAX,
    applicationName: `confirmd ${command}`,
    statementLimit: 'none',
  })
  try {
    await work({ config, db, store: createStore(db, config), where: describeDatabase(databaseUrl) })
  } finally {
    await db.destroy()
  }
}

/** Null without AMQP_URL. The work may throw; the session is closed all the same. */
export async function withSession<T>(
  { amqpUrls, amqpPrefix }: Config,
  command: string,
  work: (session: BrokerSession) => Promise<T>,
): Promise<T | null> {
  if (amqpUrls === null) return null
  const session = await openSession(amqpUrls, amqpPrefix, command).catch((error: unknown) => {
    throw new Error(`the broker is not reached: ${messageOf(error)}`, { cause: error })
  })
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

/** What a library's error says, also where it is several errors that have no message of their own. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (code === UNDEFINED_TABLE || code === UNDEFINED_COLUMN) {
    return "the database lacks a part of its schema; run 'confirmd migrate', or 'confirmd doctor' to see what it lacks"
  }
  return String(message || code || error)
}

const UNDEFINED_TABLE = '42P01'
const UNDEFINED_COLUMN = '42703'

/** The settings that hold credentials. */
export function urlsOf({ databaseUrl, amqpUrls, rpcEndpoints, rpcWebSocketUrls }: Config): string[] {
  const rpcUrls = (rpcEndpoints ?? []).map(({ url }) => url)
  return [databaseUrl, ...(amqpUrls ?? []), ...rpcUrls, ...rpcWebSocketUrls].filter((url) => url !== null)
}

/** What may stand before a node's URL, however it is written. */
const LABEL = /^[^:/=]*=/

/** The same, also where the configuration could not be read. */
export function urlsIn(environment: Readonly<Record<string, string | undefined>>): string[] {
  const listed = ['DATABASE_URL', 'RPC_URLS', 'RPC_WS_URLS'].flatMap((variable) =>
    (environment[variable] ?? '').split(',').map((url) => url.trim().replace(LABEL, '')),
  )
  return [...listed, ...splitAmqpUrls(environment['AMQP_URL'] ?? '')].filter((url) => URL.canParse(url))
}
