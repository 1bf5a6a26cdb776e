import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { openDatabase } from '../../../src/store/database.ts'
import { findPostgresTools } from '../../support/find-postgres-tools.ts'
import { type PostgresPair, startPostgresPair } from '../../support/postgres-pair.ts'
import { hearAnnouncements } from '../announcements.ts'
import type { Condition, Drill, DrillContext } from '../drill.ts'
import { startFeedReader } from '../feed-reader.ts'
import { type Fleet, startFleet } from '../fleet.ts'
import { POSTGRES_SETTINGS, startPartsOfEitherQueue } from '../parts.ts'
import { demand, pollUntil } from '../poll.ts'
import { createRegistrar, type Registrar } from '../registrar.ts'
import { areReady } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'
import { startTcpProxy, type TcpProxy } from '../tcp-proxy.ts'

const APIS = 2
const WORKERS = 4
const PER_SECOND = 200
/** So that a small run lasts long enough for a failover in its midst. */
const QUICK_PER_SECOND = 30
const LIMIT_MS = 10_000
/** Time in which every process tries the old primary, also for the lead, for which one asks each second. */
const OLD_ALONE_MS = 3_000
/** The part of the transactions that is recorded when the primary dies. */
const EARLIEST = 0.2
const LATEST = 0.6
/** What is recorded meanwhile is lost where no commit waits for the standby. */
const UNRECEIVED = 0.05

/** A primary dies and its synchronous standby takes over its address, while what is left of it comes back as well. */
export const promotedStandby: Drill = {
  number: 22,
  title:
    'PostgreSQL primary killed under load, its synchronous standby promoted, the old primary back read-only',
  queues: ['rabbitmq', 'table'],
  breakage: 'no commit waits for the standby, and it receives nothing in the moment before the primary dies',
  run: async (context) => {
    const { n, ledger, lifecycle, quick, broken, random, say, tally } = context
    const { pair, proxy, url } = await startServers(context)
    const parts = await startPartsOfEitherQueue(context, {
      postgres: { url, whileStopped: pair.primary.whileStopped },
    })
    const { db, rabbitmq } = parts
    const announcements = rabbitmq && (await hearAnnouncements({ rabbitmq, db }))
    const apis = await startFleet(context, 'api', parts.environment, { size: APIS })
    const workers = await startFleet(context, 'worker', parts.environment, { size: WORKERS })
    const registrar = createRegistrar(parts.chain, inTurns(apis))
    lifecycle.add('registrar', registrar.close)
    const reader = startFeedReader(inTurns(apis))
    lifecycle.add('reader of the feed', reader.stop)
    await demand('all are ready', async () => (await areReady(apis)) && (await areReady(workers)))

    const entries = ledger.make(n)
    const recorded = () => entries.filter((entry) => entry.recorded).length
    const registering = registrar.register(entries, { perSecond: quick ? QUICK_PER_SECOND : PER_SECOND })
    const deathAt = Math.round(n * (EARLIEST + random('death')() * (LATEST - EARLIEST)))
    await demand(`${deathAt} are recorded`, () => recorded() >= deathAt, 300_000)
    if (broken) {
      await pair.stopStreaming()
      const unreceived = recorded() + Math.ceil(n * UNRECEIVED)
      await demand('some are recorded without the standby', () => recorded() >= unreceived)
    }
    say(`the primary is killed when ${recorded()} are recorded`)
    await pair.killPrimary()
    tally.kills += 1
    const conditions = await failOver(context, { pair, proxy, apis, workers, registrar })
    await registering
    const judged = await settleAndJudge(context, parts, { conditions })
    return {
      ...judged,
      conditions: [
        ...judged.conditions,
        ...(await reader.judge(db)),
        ...(announcements ? [await announcements.judge()] : []),
        await judgeEpochs(db),
        judgeRefusals(registrar),
        { text: `no process ended (${tally.crashes})`, passed: tally.crashes === 0 },
        await judgeLeft(pair),
      ],
    }
  },
}

interface Servers {
  readonly pair: PostgresPair
  readonly proxy: TcpProxy
  /** The one address; it leads to the primary at first. */
  readonly url: string
}

async function startServers({ lifecycle, broken }: DrillContext): Promise<Servers> {
  const programs = await findPostgresTools()
  if (programs === null) throw new Error('the drill needs PostgreSQL with pg_basebackup: install postgresql')
  const settings = POSTGRES_SETTINGS
  const pair = await startPostgresPair(lifecycle, { programs, settings, isSynchronous: !broken })
  const proxy = await startTcpProxy(pair.primary.port)
  lifecycle.add('address of the database', proxy.close)
  const url = new URL(pair.primary.url)
  url.port = String(proxy.port)
  return { pair, proxy, url: url.toString() }
}

interface Scene {
  readonly pair: PostgresPair
  readonly proxy: TcpProxy
  readonly apis: Fleet
  readonly workers: Fleet
  readonly registrar: Registrar
}

/**
 * The supervisor of the old primary is faster than whoever promotes the standby: processes connect to what can only be
 * read, and their connections stay when the address moves.
 */
async function failOver(
  { say, tally }: DrillContext,
  { pair, proxy, apis, workers, registrar }: Scene,
): Promise<Condition[]> {
  const killedAt = Date.now()
  await pair.returnReadOnly()
  tally.restarts += 1
  return withDatabases(pair, async (old, promoted) => {
    await sleep(OLD_ALONE_MS)
    await demand('processes are connected to the old primary', async () => (await countSessions(old)) > 0)
    const answered = () => registrar.answers().get(202) ?? 0
    const before = {
      sessions: await countSessions(old),
      answered: answered(),
      settled: await countSettled(promoted),
    }
    await pair.promoteStandby()
    proxy.moveTo(pair.standby.port)
    const promotedAt = Date.now()
    say(
      `promoted ${promotedAt - killedAt} ms after the kill; ${before.sessions} sessions were on the old primary`,
    )
    const facts: [string, () => Promise<boolean> | boolean][] = [
      ['the API records', () => answered() > before.answered],
      ['verdicts are committed', async () => (await countSettled(promoted)) > before.settled],
      ['every API process can write', () => areReady(apis)],
      ['every worker can write', () => areReady(workers)],
      ['no session is on the old primary', async () => (await countSessions(old)) === 0],
    ]
    return Promise.all(
      facts.map(async ([text, look]) => {
        const isSo = await pollUntil(look, { timeoutMs: 6 * LIMIT_MS, intervalMs: 50 })
        const tookMs = isSo ? Date.now() - promotedAt : Number.POSITIVE_INFINITY
        return { text: `${text} within 10 s of the promotion (${tookMs} ms)`, passed: tookMs <= LIMIT_MS }
      }),
    )
  })
}

/** The two servers by their own addresses. */
async function withDatabases<T>(
  { primary, standby }: PostgresPair,
  work: (old: Knex, promoted: Knex) => Promise<T>,
): Promise<T> {
  const [old, promoted] = [primary, standby].map(({ url }) =>
    openDatabase({ url, poolMax: 1, applicationName: 'drill' }),
  ) as [Knex, Knex]
  try {
    return await work(old, promoted)
  } finally {
    await Promise.all([old.destroy(), promoted.destroy()])
  }
}

async function countSessions(db: Knex): Promise<number> {
  const rows = await db('pg_stat_activity').where('application_name', 'like', 'confirmd%')
  return rows.length
}

async function countSettled(db: Knex): Promise<number> {
  const [row] = await db('confirmd.transaction_history')
    .whereNotNull('settled_at')
    .count<{ count: string }[]>()
  return Number(row?.count)
}

function judgeLeft(pair: PostgresPair): Promise<Condition> {
  return withDatabases(pair, async (old) => {
    const left = await countSessions(old)
    return { text: `no session is on the old primary in the end (${left})`, passed: left === 0 }
  })
}

async function judgeEpochs(db: Knex): Promise<Condition> {
  const epochs: number[] = await db('confirmd.feed_epochs').orderBy('epoch').pluck('epoch')
  const isNext = epochs.length === 2
  return { text: `the promoted database began an epoch of its own (${epochs.join(', ')})`, passed: isNext }
}

function judgeRefusals(registrar: Registrar): Condition {
  const answers = [...registrar.answers()]
  const refused = answers.filter(([status]) => status !== 202 && status !== 200)
  const count = refused.reduce((sum, [, times]) => sum + times, 0)
  return {
    text: `registrations met the failover (${answers.map(([status, times]) => `${times} × ${status}`).join(', ')})`,
    passed: count > 0,
  }
}

/** One process of the fleet after the other; waits while there is none. */
function inTurns(fleet: Fleet): () => Promise<string> {
  let turn = 0
  return async () => {
    const first = await fleet.url()
    const members = fleet.members()
    turn += 1
    return members[turn % members.length]?.url ?? first
  }
}
