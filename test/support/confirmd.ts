import type { Knex } from 'knex'
import pino from 'pino'
import { run } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import type { TransactionView } from '../../src/domain/transaction-view.ts'
import type { FollowPolicy } from '../../src/flows/follow-policy.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import type { Role } from '../../src/runnable.ts'
import { amqpUrl, deleteTopology, type QueueKind, uniquePrefix } from './broker.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { type ScriptedNode, startScriptedNode } from './scripted-node.ts'
import { until } from './until.ts'

/** Short waits, so that a test sees several of them. */
export const TEST_DELAYS_MS = [100, 200] as const

export interface LogEntry {
  readonly msg: string
  readonly [field: string]: unknown
}

/** A confirmd in this process, with the log it wrote. */
export interface RunningConfirmd {
  readonly url: string
  readonly log: readonly LogEntry[]
  readonly fatal: readonly Error[]
  stop(): Promise<void>
}

/** What the tests of a file share: a database, a scripted node, a prefix, and the confirmds they start. */
export interface World {
  readonly kind: QueueKind
  readonly database: TestDatabase
  readonly db: Knex
  readonly node: ScriptedNode
  readonly prefix: string
  readonly environment: Readonly<Record<string, string>>
  start(
    role?: Role,
    overrides?: Readonly<Record<string, string>>,
    followPolicy?: Partial<FollowPolicy>,
  ): Promise<RunningConfirmd>
  /** Stops every confirmd that still runs. */
  stopAll(): Promise<void>
  close(): Promise<void>
}

export async function createWorld(
  kind: QueueKind,
  given: Readonly<Record<string, string>> = {},
): Promise<World> {
  const database = await createTestDatabase()
  const node = await startScriptedNode()
  const prefix = uniquePrefix()
  const running = new Set<RunningConfirmd>()
  const environment = {
    DATABASE_URL: database.url,
    RPC_URLS: node.url,
    PORT: '0',
    RETRY_DELAYS_MS: TEST_DELAYS_MS.join(','),
    RPC_TIMEOUT_MS: '1000',
    // Shedding has tests of its own; a busy machine is no reason to refuse here.
    MAX_EVENT_LOOP_DELAY_MS: '0',
    // What the queue does is seen only where nothing is faster; the follower has tests of its own.
    FOLLOW_BLOCKS: 'off',
    LOG_LEVEL: 'info',
    ...(kind === 'rabbitmq' ? { AMQP_URL: amqpUrl(), AMQP_PREFIX: prefix } : {}),
    ...given,
  }

  async function stopAll(): Promise<void> {
    await Promise.all([...running].map((each) => each.stop()))
  }

  return {
    kind,
    database,
    db: database.db,
    node,
    prefix,
    environment,
    start: async (role = 'start', overrides = {}, followPolicy = {}) => {
      const started = await startConfirmd(role, { ...environment, ...overrides }, followPolicy)
      const stop = async () => {
        running.delete(tracked)
        await started.stop()
      }
      const tracked: RunningConfirmd = { ...started, stop }
      running.add(tracked)
      return tracked
    },
    stopAll,
    close: async () => {
      await stopAll()
      const delays = readConfig(environment).retryDelaysMs
      if (kind === 'rabbitmq') await deleteTopology(environment.AMQP_URL ?? '', prefix, delays)
      await node.stop()
      await database.drop()
    },
  }
}

/** Starts a role in this process; resolves when it serves and, if it checks, is consuming. */
export async function startConfirmd(
  role: Role,
  environment: Readonly<Record<string, string>>,
  followPolicy: Partial<FollowPolicy> = {},
): Promise<RunningConfirmd> {
  const config = readConfig(environment)
  const entries: LogEntry[] = []
  const destination = { write: (line: string) => void entries.push(JSON.parse(line) as LogEntry) }
  const log = pino({ level: config.logLevel }, destination)
  const fatal: Error[] = []
  const lifecycle = createLifecycle((name, error) => log.error({ err: error }, `release of ${name} failed`))
  const { databaseUrl } = config
  if (databaseUrl === null) throw new Error('a test needs a DATABASE_URL')
  try {
    const { url } = await run(role, {
      config: { ...config, databaseUrl, hasEmbeddedChain: false },
      log,
      lifecycle,
      onFatal: (error) => fatal.push(error),
      followPolicy,
    })
    if (fatal.length === 0 && !environment['TEST_NOT_READY']) await untilReady(url, fatal)
    return { url, log: entries, fatal, stop: lifecycle.releaseAll }
  } catch (error) {
    await lifecycle.releaseAll()
    throw error
  }
}

async function untilReady(url: string, fatal: readonly Error[]): Promise<void> {
  await until('confirmd is ready', async () => fatal.length > 0 || (await fetch(`${url}/readyz`)).ok)
}

export interface Registered {
  readonly status: number
  readonly body: TransactionView & { detail?: string; errors?: { field: string; message: string }[] }
}

export async function register(url: string, body: object): Promise<Registered> {
  const response = await fetch(`${url}/v1/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Registered['body'] }
}

/** Waits until the transaction's row satisfies the condition. */
export function untilRow(
  db: Knex,
  txHash: string,
  what: string,
  condition: (row: Record<string, unknown>) => boolean,
  timeoutMs?: number,
): Promise<Record<string, unknown>> {
  const look = async () => {
    const row = await db('confirmd.transaction_history').where({ tx_hash: txHash }).first()
    return row && condition(row) ? (row as Record<string, unknown>) : undefined
  }
  return until(`${txHash} is ${what}`, look, timeoutMs)
}

export function untilStatus(db: Knex, txHash: string, status: string): Promise<Record<string, unknown>> {
  return untilRow(db, txHash, status, (row) => row['status'] === status)
}
