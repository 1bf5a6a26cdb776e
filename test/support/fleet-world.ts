import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { expect } from 'vitest'
import { type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import type { RetryDelaysMs } from '../../src/domain/schedule.ts'
import type { Role } from '../../src/runnable.ts'
import { amqpUrl, deleteTopology, type QueueKind, uniquePrefix } from './broker.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { createOrderTables } from './orders.ts'
import { createScriptedChain, type ScriptedChain } from './scripted-chain.ts'
import { type ScriptedNode, startScriptedNode } from './scripted-node.ts'
import { until } from './until.ts'

/** The module for `HANDLERS` with business writes that misbehave as their payload says. */
export const MISBEHAVING_HANDLERS = fileURLToPath(new URL('handlers/misbehaving.js', import.meta.url))
/** So long that it does not come within a test. */
export const NEVER_MS = '600000'
export const HANDLER_RETRY_LIMIT = 3
/** The tests of one build can be seen to fail on another: the path of its `main.js`. */
const MAIN = process.env['EVIDENCE_MAIN']
const WAIT_MS = 30_000
const BLOCK_INTERVAL_MS = 250

/** A row of `transaction_history`, as anybody can read it. */
export type Row = Readonly<Record<string, unknown>>

export interface RecordedTransaction {
  readonly txHash: string
  readonly kind: string
  readonly payload?: object
}

export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** A process that is started again whenever it ends. */
export interface Supervised {
  /** How often it ended by itself. */
  ends(): number
  stop(): Promise<void>
}

/** What is expected of a parked row; by default a pending one without events, after the configured tries. */
export interface ExpectedParked {
  readonly status?: string
  readonly events?: string[]
  readonly attempts?: number
  readonly timeoutMs?: number
}

/** Built processes on a database, a chain and perhaps a broker of their own, seen from outside only. */
export interface Fleet {
  readonly database: TestDatabase
  readonly db: Knex
  /** A block each 250 ms. */
  readonly chain: ScriptedChain
  /** Shows the chain. */
  readonly node: ScriptedNode
  readonly prefix: string
  /** Starts a process and waits until it is ready. */
  start(role: Role, overrides?: Readonly<Record<string, string>>): Promise<RoleProcess>
  keepRunning(role: Role, overrides?: Readonly<Record<string, string>>): Supervised
  /** Records transactions past the API; all are due at the same moment. */
  record(transactions: readonly RecordedTransaction[]): Promise<void>
  row(txHash: string): Promise<Row | undefined>
  /** Waits until the row is so; the error says how it is instead. */
  untilRow(txHash: string, what: string, isSo: (row: Row) => boolean, timeoutMs?: number): Promise<Row>
  writesOf(txHash: string): Promise<number>
  /** The events of a transaction, in their order, by status. */
  eventsOf(txHash: string): Promise<string[]>
  /** Confirmed, with one write and these events only; if left out, with that of its confirmation. */
  untilConfirmedOnce(txHash: string, expected?: { events?: string[]; timeoutMs?: number }): Promise<Row>
  /** Given up for a reason, with the status that it had, and with neither write nor event. */
  untilParked(txHash: string, reason: RegExp, expected?: ExpectedParked): Promise<Row>
  /** Waits until it was checked for so long, from the first check on, or has a status of another kind. */
  untilCheckedFor(txHash: string, durationMs: number): Promise<void>
  /** The newest block that was followed; -1 if none was. */
  followedBlock(): Promise<number>
  close(): Promise<void>
}

export async function createFleet(
  kind: QueueKind,
  settings: Readonly<Record<string, string>> = {},
): Promise<Fleet> {
  const database = await createTestDatabase()
  const { db } = database
  if (MAIN !== undefined) await migrateBy(MAIN, database)
  await createOrderTables(db)
  const chain = createScriptedChain({ head: 1000 })
  chain.mineEvery(BLOCK_INTERVAL_MS)
  const node = await startScriptedNode({ chain })
  const prefix = uniquePrefix()
  const processes = new Set<RoleProcess>()
  const supervised = new Set<Supervised>()
  const environment: Record<string, string> = {
    DATABASE_URL: database.url,
    RPC_URLS: node.url,
    RPC_TIMEOUT_MS: '1000',
    RETRY_DELAYS_MS: '250,500',
    RETRY_LIMIT: '1000',
    SWEEP_INTERVAL_MS: '300',
    STALLED_CHECK_INTERVAL_MS: '500',
    FOLLOW_BLOCKS: 'off',
    HANDLERS: MISBEHAVING_HANDLERS,
    HANDLER_RETRY_LIMIT: String(HANDLER_RETRY_LIMIT),
    HANDLER_TIMEOUT_MS: '1000',
    // Several tests start processes at the same time on a few cores.
    MAX_EVENT_LOOP_DELAY_MS: '0',
    ...(kind === 'rabbitmq' ? { AMQP_URL: amqpUrl(), AMQP_PREFIX: prefix } : {}),
    ...settings,
  }

  async function start(role: Role, overrides: Readonly<Record<string, string>> = {}): Promise<RoleProcess> {
    const options = MAIN === undefined ? {} : { main: MAIN }
    const started = await startRole(role, { ...environment, ...overrides }, options)
    processes.add(started)
    await until(
      `the ${role} is ready`,
      async () =>
        !started.isRunning() ||
        (await fetch(`${started.url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        )),
    )
    return started
  }

  function keepRunning(role: Role, overrides: Readonly<Record<string, string>> = {}): Supervised {
    let ends = 0
    let stopping = false
    let current: RoleProcess | null = null
    const running = (async () => {
      while (!stopping) {
        current = await start(role, overrides).catch(() => null)
        if (!current || stopping) continue
        await current.ended
        processes.delete(current)
        ends += 1
      }
    })()
    const each: Supervised = {
      ends: () => ends,
      stop: async () => {
        stopping = true
        supervised.delete(each)
        // It may be starting just now.
        while (await Promise.race([running.then(() => false), tick().then(() => true)])) await current?.kill()
      },
    }
    supervised.add(each)
    return each
  }

  const row = async (txHash: string): Promise<Row | undefined> =>
    db('confirmd.transaction_history').where({ tx_hash: txHash }).first()

  async function untilRow(
    txHash: string,
    what: string,
    isSo: (row: Row) => boolean,
    timeoutMs = WAIT_MS,
  ): Promise<Row> {
    let last: Row | undefined
    const check = async () => {
      last = await row(txHash)
      if (last === undefined || isSo(last)) return last
      // What has its verdict changes no more.
      if (['confirmed', 'failed'].includes(String(last['status'])))
        throw new Error(`it is not so that ${what}`)
      return undefined
    }
    return until(what, check, timeoutMs).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${describe(last)}, events ${await eventsOf(txHash)}`)
    })
  }

  const writesOf = async (txHash: string): Promise<number> =>
    (await db('orders').where({ tx_hash: txHash })).length

  async function eventsOf(txHash: string): Promise<string[]> {
    const rows: { status: string }[] = await db('confirmd.outbox')
      .whereIn('transaction_id', db('confirmd.transaction_history').where({ tx_hash: txHash }).select('id'))
      .orderBy('position')
      .select('status')
    return rows.map(({ status }) => status)
  }

  return {
    database,
    db,
    chain,
    node,
    prefix,
    start,
    keepRunning,
    record: async (transactions) => {
      const rows = transactions.map(({ txHash, kind: recordedKind, payload = null }) => ({
        id: randomUUID(),
        chain: 'kaia',
        tx_hash: txHash,
        kind: recordedKind,
        payload: JSON.stringify(payload),
      }))
      await db('confirmd.transaction_history').insert(rows)
    },
    row,
    untilRow,
    writesOf,
    eventsOf,
    untilConfirmedOnce: async (txHash, { events = ['confirmed'], timeoutMs } = {}) => {
      const found = await untilRow(
        txHash,
        'it is confirmed',
        (each) => each['status'] === 'confirmed',
        timeoutMs,
      )
      const kept = { writes: await writesOf(txHash), events: await eventsOf(txHash) }
      expect(kept).toEqual({ writes: 1, events })
      return found
    },
    untilParked: async (txHash, reason, expected = {}) => {
      const { status = 'pending', events = [], attempts = HANDLER_RETRY_LIMIT, timeoutMs } = expected
      const found = await untilRow(txHash, 'it is parked', (each) => each['parked_at'] !== null, timeoutMs)
      expect(found).toMatchObject({ status, last_error: expect.stringMatching(reason) })
      expect(String(found['last_error']).length).toBeLessThanOrEqual(500)
      expect(found['handler_attempts']).toBeGreaterThanOrEqual(attempts)
      const kept = { writes: await writesOf(txHash), events: await eventsOf(txHash) }
      expect(kept).toEqual({ writes: 0, events })
      return found
    },
    untilCheckedFor: async (txHash, durationMs) => {
      await until(`it has been checked for ${durationMs} ms`, async () => {
        const checks = node.looks(txHash)
        const status = (await row(txHash))?.['status']
        return (checks.at(-1) ?? 0) - (checks[0] ?? 0) >= durationMs || status !== 'pending'
      })
    },
    followedBlock: async () => {
      const cursor = await db('confirmd.chain_cursors').where({ chain: 'kaia' }).first('block_number')
      return cursor === undefined ? -1 : Number(cursor.block_number)
    },
    close: async () => {
      await Promise.all([...supervised].map((each) => each.stop()))
      await Promise.all([...processes].map((each) => each.kill()))
      chain.stop()
      await node.stop()
      const delays = String(environment['RETRY_DELAYS_MS']).split(',').map(Number)
      if (kind === 'rabbitmq') {
        await deleteTopology(String(environment['AMQP_URL']), prefix, delays as unknown as RetryDelaysMs)
      }
      await database.drop()
    },
  }
}

/** Posts JSON, given as text where its exact characters matter. */
export async function post(url: string, body: object | string): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

export async function registerAll(
  { url }: Pick<RoleProcess, 'url'>,
  transactions: readonly { txHash: string; kind: string; [field: string]: unknown }[],
): Promise<void> {
  const answers = await Promise.all(transactions.map((each) => post(`${url}/v1/transactions`, each)))
  for (const answer of answers) expect(answer).toMatchObject({ status: 202 })
}

/** The detail of a transaction, as the API shows it. */
export async function detailOf({ url }: Pick<RoleProcess, 'url'>, id: unknown): Promise<Answer['body']> {
  const response = await fetch(`${url}/v1/transactions/${String(id)}`)
  expect(response.status).toBe(200)
  return (await response.json()) as Answer['body']
}

async function migrateBy(main: string, { db, url }: TestDatabase): Promise<void> {
  await db.raw('DROP SCHEMA confirmd CASCADE')
  await promisify(execFile)(process.execPath, [main, 'migrate'], {
    env: { ...process.env, DATABASE_URL: url },
  })
  // A build before 0.2 has its tables in `public`; views that can be written to show them where the tests look.
  await db.raw(`
    CREATE SCHEMA IF NOT EXISTS confirmd;
    DO $$ DECLARE name text; BEGIN
      FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE VIEW confirmd.%I AS SELECT * FROM public.%I', name, name);
      END LOOP;
    END $$`)
}

function describe(row: Row | undefined): string {
  if (!row) return 'there is no row'
  const columns = [
    'status',
    'retry_count',
    'consecutive_errors',
    'handler_attempts',
    'parked_at',
    'last_error',
  ]
  return columns.map((column) => `${column} ${String(row[column]).slice(0, 300)}`).join(', ')
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 50))
