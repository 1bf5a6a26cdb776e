import type { Knex } from 'knex'
import { type RoleProcess, startRole } from '../src/dev/role-process.ts'
import type { Lifecycle } from '../src/lifecycle.ts'
import { createDatabase, HANDLERS, type Parts } from './parts.ts'

/** confirmd as it runs in production, one process for each role. */
export interface Confirmd {
  readonly apiUrl: string
  readonly db: Knex
  readonly api: RoleProcess
  readonly workers: readonly RoleProcess[]
}

export interface ConfirmdOptions {
  readonly nodeUrl: string
  readonly workers?: number
  readonly settings?: Readonly<Record<string, string>>
}

let runs = 0

/** Starts an API and workers on a database and queues of their own. */
export async function startConfirmd(
  lifecycle: Lifecycle,
  parts: Parts,
  { nodeUrl, workers: count = 1, settings = {} }: ConfirmdOptions,
): Promise<Confirmd> {
  const { url, db } = await createDatabase(lifecycle, parts)
  const environment = {
    NODE_ENV: 'production',
    DATABASE_URL: url,
    AMQP_URL: parts.rabbitmq.url,
    AMQP_PREFIX: `B${process.pid}-${++runs}`,
    RPC_URLS: nodeUrl,
    HANDLERS,
    ...settings,
  }
  // The log is written as in production, and only the line with the URL is kept.
  const options = { keepLine: ({ level }: { level: number }) => level > 40 }
  const api = await startRole('api', environment, options)
  lifecycle.add('api', async () => void (await api.stop()))
  const workers: RoleProcess[] = []
  for (let index = 0; index < count; index++) {
    const worker = await startRole('worker', environment, options)
    lifecycle.add('worker', async () => void (await worker.stop()))
    workers.push(worker)
  }
  await untilReady(workers)
  return { apiUrl: api.url, db, api, workers }
}

async function untilReady(workers: readonly RoleProcess[]): Promise<void> {
  for (const { url } of workers) {
    while (!(await fetch(`${url}/readyz`)).ok) await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** How many have their verdict: each leaves one event. */
export async function countSettled(db: Knex): Promise<number> {
  const { rows } = await db.raw<{ rows: { settled: string }[] }>(
    'SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS settled FROM confirmd.outbox_position_seq',
  )
  return Number(rows[0]?.settled)
}

/** When each row was settled, Unix time in ms. */
export async function readSettledAt(db: Knex): Promise<ReadonlyMap<string, number>> {
  const rows: { tx_hash: string; settled_at: Date | null }[] = await db(
    'confirmd.transaction_history',
  ).select('tx_hash', 'settled_at')
  return new Map(rows.map((row) => [row.tx_hash, row.settled_at?.getTime() ?? Number.NaN]))
}
