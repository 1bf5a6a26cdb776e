import { type RoleProcess, startRole } from '../../../src/dev/role-process.ts'
import { createStore } from '../../../src/store/store.ts'
import { type ProxiedConnection, startAmqpProxy } from '../amqp-proxy.ts'
import type { Drill, DrillContext } from '../drill.ts'
import { startFleet } from '../fleet.ts'
import type { Entry } from '../ledger.ts'
import { type Parts, QUEUE_ALONE, startParts } from '../parts.ts'
import { demand } from '../poll.ts'
import { appear, createRegistrar, type Registrar } from '../registrar.ts'
import { settleAndJudge } from '../settled.ts'

const CRASHES_PER_POINT = 100
const PER_CRASH = 3
/** Long enough to see what the process did before what it sent next gets anywhere. */
const SLOW_MS = 400
const NEVER = Number.POSITIVE_INFINITY
/** Short, so that a lost check is found within the drill. */
const SETTINGS = { SWEEP_INTERVAL_MS: '1000', SWEEP_GRACE_MS: '5000', ...QUEUE_ALONE }
/** Of those who die: what earlier ones left in the queue, and can't be acked, is not to fill their hands. */
const VICTIM_PREFETCH = '5000'

interface Shared {
  readonly parts: Parts
  readonly registrar: Registrar
}

interface Stage extends Shared {
  start(role: 'api' | 'worker'): Promise<RoleProcess>
  connection(purpose: 'publish' | 'consume'): Promise<ProxiedConnection>
}

/** Brings a process to the point and returns it; it is killed there. */
type CrashPoint = (stage: Stage, entries: readonly Entry[]) => Promise<RoleProcess>

/** A process dies at exactly the worst moments, held there by a proxy before the broker. */
export const crashPoints: Drill = {
  number: 2,
  title:
    'SIGKILL at five points, 100× each: after insert; before confirm; before ack of a wait and of a verdict; in the sweep',
  run: async (context) => {
    const shared = await startShared(context)
    const crashes = context.scaled(CRASHES_PER_POINT, 2)
    // Side by side: what the one leaves in the queue the workers of the other take, as they would anyway.
    await Promise.all([
      crashAt(context, await setStage(context, shared), API_POINTS, crashes),
      crashAt(context, await setStage(context, shared), WORKER_POINTS, crashes),
    ])
    const { parts } = shared
    await startFleet(context, 'worker', parts.environment, { size: 4 })
    return settleAndJudge(context, parts)
  },
}

async function crashAt(
  { ledger, say, tally }: DrillContext,
  stage: Stage,
  points: Readonly<Record<string, CrashPoint>>,
  crashes: number,
): Promise<void> {
  for (const [name, reach] of Object.entries(points)) {
    for (let crash = 0; crash < crashes; crash++) {
      const entries = ledger.make(PER_CRASH, { absent: 0, maxDelayMs: 1 })
      const victim = await reach(stage, entries)
      await victim.kill()
      tally.kills += 1
      // What was not answered for is asked for again, as a backend would.
      await stage.registrar.register(entries.filter(({ recorded }) => !recorded))
      for (const entry of entries) appear(stage.parts.chain, entry)
    }
    say(`${crashes} crashes ${name}`)
  }
}

async function startShared(context: DrillContext): Promise<Shared> {
  const parts = await startParts(context, { settings: SETTINGS })
  const apis = await startFleet(context, 'api', parts.environment, { size: 1 })
  const registrar = createRegistrar(parts.chain, apis.url)
  context.lifecycle.add('registrar', registrar.close)
  return { parts, registrar }
}

/** With a proxy of its own: its newest connections are of its newest process. */
async function setStage({ lifecycle }: DrillContext, { parts, registrar }: Shared): Promise<Stage> {
  const proxy = await startAmqpProxy(parts.rabbitmq.url)
  lifecycle.add('proxy', proxy.close)
  return {
    parts,
    registrar,
    start: (role) => {
      const environment = { ...parts.environment, AMQP_URL: proxy.url, WORKER_PREFETCH: VICTIM_PREFETCH }
      return startRole(role, environment, { keepLine: () => false })
    },
    connection: async (purpose) => {
      await demand(`there is a connection to ${purpose}`, () => proxy.connections(purpose).length > 0)
      const connection = proxy.connections(purpose).at(-1)
      if (!connection) throw new Error(`the connection to ${purpose} is gone again`)
      return connection
    },
  }
}

const API_POINTS: Readonly<Record<string, CrashPoint>> = {
  'after the insert, before the publish': async (stage, entries) => {
    const { api, publishing, registrar } = await startApi(stage)
    publishing.delayToBroker(NEVER)
    void registrar.register(entries).catch(() => undefined)
    await demand('the rows are there', async () => (await findRows(stage, entries)).length === entries.length)
    return api
  },

  'after the publish, before its confirm': async (stage, entries) => {
    const { api, publishing, registrar } = await startApi(stage)
    publishing.delayToProcess(NEVER)
    void registrar.register(entries).catch(() => undefined)
    await demand('the checks are sent', () => entries.every(({ txHash }) => publishing.hasSent(txHash)))
    return api
  },
}

const WORKER_POINTS: Readonly<Record<string, CrashPoint>> = {
  'after the confirm of a wait, before the ack': async (stage, entries) => {
    const { worker, publishing, consuming } = await startWorker(stage)
    consuming.delayToBroker(NEVER)
    await registerOnly(stage, entries)
    await demand('the waits are sent', () => entries.every(({ txHash }) => publishing.hasSent(txHash)))
    await demand('the waits are confirmed', publishing.isAllConfirmed)
    return worker
  },

  'after the commit of a verdict, before the ack': async (stage, entries) => {
    const { worker, consuming } = await startWorker(stage)
    for (const entry of entries) appear(stage.parts.chain, entry)
    await demand('they are on the chain', () =>
      entries.every(({ txHash }) => stage.parts.chain.find(txHash, stage.parts.chain.head())),
    )
    consuming.delayToBroker(NEVER)
    await registerOnly(stage, entries)
    await demand('the verdicts are committed', async () =>
      (await findRows(stage, entries)).every(({ settled_at: settledAt }) => settledAt !== null),
    )
    return worker
  },

  'inside the sweep, before the publish': async (stage, entries) => {
    for (const entry of entries) {
      const { txHash } = entry
      const registration = { chain: 'kaia', txHash, kind: 'order', payload: {}, sender: null, nonce: null }
      await createStore(stage.parts.db, { chain: 'kaia' }).record({
        ...registration,
        correlationId: null,
        traceParent: null,
      })
      entry.recorded = true
    }
    const { worker, publishing } = await startWorker(stage)
    publishing.delayToBroker(SLOW_MS)
    const hashes = entries.map(({ txHash }) => txHash)
    await stage.parts
      .db('confirmd.transaction_history')
      .whereIn('tx_hash', hashes)
      .update({ next_check_at: LONG_AGO })
    await demand('the sweep has taken them', async () =>
      (await findRows(stage, entries)).every((row) => row.next_check_at?.getTime() !== LONG_AGO.getTime()),
    )
    return worker
  },
}

const LONG_AGO = new Date('2020-01-01T00:00:00Z')

async function startApi(stage: Stage) {
  const api = await stage.start('api')
  const publishing = await stage.connection('publish')
  await demand('the API can publish', publishing.isConfirming)
  return { api, publishing, registrar: createRegistrar(stage.parts.chain, async () => api.url) }
}

async function startWorker(stage: Stage) {
  const worker = await stage.start('worker')
  await demand('the worker consumes', async () => (await fetch(`${worker.url}/readyz`)).ok)
  const [publishing, consuming] = [await stage.connection('publish'), await stage.connection('consume')]
  return { worker, publishing, consuming }
}

/** Registers without letting the transactions appear on the chain. */
async function registerOnly({ registrar }: Stage, entries: readonly Entry[]): Promise<void> {
  await registrar.register(entries.map((entry) => ({ ...entry, truth: null })))
  for (const entry of entries) entry.recorded = true
}

async function findRows(
  { parts }: Stage,
  entries: readonly Entry[],
): Promise<{ settled_at: Date | null; next_check_at: Date | null }[]> {
  const hashes = entries.map(({ txHash }) => txHash)
  return parts
    .db('confirmd.transaction_history')
    .whereIn('tx_hash', hashes)
    .select('settled_at', 'next_check_at')
}
