import { randomBytes, randomUUID } from 'node:crypto'
import type { Condition, DrillContext } from './drill.ts'
import { startFleet } from './fleet.ts'
import { type NetworkWatch, watchNetwork } from './network-watch.ts'
import type { Parts } from './parts.ts'
import { demand, pollUntil } from './poll.ts'
import { createRegistrar } from './registrar.ts'
import { areReady } from './scene.ts'
import type { StagedTarget } from './staged-targets.ts'
import { countUnsent, lastPosition, readWebhookRecords, type WebhookRecord } from './webhook-records.ts'

/** An API and a worker whose network is watched, and the targets that they are given. */
export interface WebhookStage {
  readonly parts: Parts
  readonly watch: NetworkWatch
  readonly targets: readonly StagedTarget[]
  /** Asks the API to create a webhook, or with an id to change it. */
  ask(url: string, id?: string): Promise<ApiAnswer>
  /** Has so many transactions settled; each of them gives one event. */
  settle(count: number): Promise<void>
  /** Waits until every delivery is sent or given up, but those to these URLs. */
  untilSent(exceptUrls?: readonly string[]): Promise<void>
  /** What became of the events since the stage was opened, by URL. */
  records(): Promise<ReadonlyMap<string, WebhookRecord>>
  /** Where the outbox ended when the stage was opened. */
  readonly after: string
  /** Ends the processes; their log of connections is complete then. */
  close(): Promise<void>
}

interface ApiAnswer {
  readonly status: number
  readonly body: { readonly id?: string; readonly errors?: readonly { readonly field: string }[] }
}

export interface WebhookStageOptions {
  readonly mode: 'production' | 'development'
  readonly names: Parameters<typeof watchNetwork>[2]
  readonly targets: readonly StagedTarget[]
  readonly fullAttempts: number
}

const SECRET_BYTES = 32
const OUTCOME_LIMIT_MS = 120_000
const SENT_LIMIT_MS = 900_000

export async function openWebhookStage(
  context: DrillContext,
  parts: Parts,
  { mode, names, targets, fullAttempts }: WebhookStageOptions,
): Promise<WebhookStage> {
  const { ledger, lifecycle, say } = context
  const { db } = parts
  const watch = watchNetwork(parts.folder, mode, names)
  const environment = { ...parts.environment, ...watch.environment, NODE_ENV: mode }
  const apis = await startFleet(context, 'api', environment, { size: 1 })
  // One alone: a name that changes does so for each process.
  const workers = await startFleet(context, 'worker', environment, { size: 1 })
  await demand('the worker consumes', () => areReady(workers))
  const registrar = createRegistrar(parts.chain, apis.url)
  lifecycle.add('registrar', registrar.close)
  const after = await lastPosition(db)
  const api = await apis.url()
  return {
    parts,
    watch,
    targets,
    after,
    ask: async (url, id) => {
      const response = await fetch(`${api}/v1/webhooks${id ? `/${id}` : ''}`, {
        method: id ? 'PATCH' : 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url }),
      })
      return { status: response.status, body: (await response.json()) as ApiAnswer['body'] }
    },
    settle: async (count) => {
      // Absent ones would stall first, and have an event of that too.
      await registrar.register(ledger.make(count, { absent: 0, maxDelayMs: 1_000 }))
      const hasAll = async () => {
        const [found] = await db('confirmd.outbox').where('position', '>', after).count<{ count: string }[]>()
        return Number(found?.count) >= count
      }
      await demand('every transaction has its outcome', hasAll, OUTCOME_LIMIT_MS)
    },
    untilSent: async (exceptUrls = []) => {
      const startedAt = Date.now()
      const isDone = async () => (await countUnsent(db, exceptUrls)) === 0
      const done = await pollUntil(isDone, { timeoutMs: SENT_LIMIT_MS, intervalMs: 500 })
      if (!done) throw new Error(`deliveries are neither sent nor given up after ${SENT_LIMIT_MS} ms`)
      say(`${mode}: all sent or given up ${Date.now() - startedAt} ms after the last outcome`)
    },
    records: async () => {
      const records = await readWebhookRecords(db, { after, fullAttempts })
      return new Map(records.map((record) => [record.url, record]))
    },
    close: async () => {
      await workers.stop()
      await apis.stop()
    },
  }
}

/** Gives the API all targets: it refuses what is forbidden as it is written, and takes the names. */
export async function offerTargets({ targets, ask }: WebhookStage): Promise<Condition[]> {
  const names = targets.filter(({ kind }) => kind !== 'text')
  const written = targets.filter(({ kind }) => kind === 'text')
  const ids: string[] = []
  for (const { url } of names) {
    const { status, body } = await ask(url)
    if (status === 201 && body.id) ids.push(body.id)
  }
  const taken: string[] = []
  for (const { url } of written) {
    const answers = [await ask(url), await ask(url, ids[0])]
    if (!answers.every(isRefusalOfUrl)) taken.push(url)
  }
  return [
    {
      text: `of ${written.length} forbidden URLs the API took ${taken.length}${listed(taken)}`,
      passed: taken.length === 0,
    },
    {
      text: `of ${names.length} names, which only a look can tell, it took ${ids.length}`,
      passed: ids.length === names.length,
    },
  ]
}

function isRefusalOfUrl({ status, body }: ApiAnswer): boolean {
  return status === 400 && body.errors?.[0]?.field === 'url'
}

/** What the API refuses, as rows that are older than a rule or were written by hand. */
export async function insertForbidden({ parts, targets }: WebhookStage): Promise<void> {
  const rows = targets
    .filter(({ kind }) => kind === 'text')
    .map(({ url }) => ({
      ...{ id: randomUUID(), url },
      secret: `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`,
    }))
  await parts.db('confirmd.webhooks').insert(rows)
}

const EXAMPLES_SHOWN = 5

/** The first of them in words, for the text of a condition. */
export function listed(items: readonly string[]): string {
  if (items.length === 0) return ''
  const more = items.length > EXAMPLES_SHOWN ? `; and ${items.length - EXAMPLES_SHOWN} more` : ''
  return `: ${items.slice(0, EXAMPLES_SHOWN).join('; ')}${more}`
}
