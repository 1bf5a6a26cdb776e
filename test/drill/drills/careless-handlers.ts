import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { CARELESSNESSES, type Carelessness } from '../careless-kinds.ts'
import { createCarelessTables } from '../careless-tables.ts'
import type { Condition, Drill, DrillContext, Tally } from '../drill.ts'
import { startFleet } from '../fleet.ts'
import { isClean, judge } from '../judge.ts'
import { judgeCareless } from '../judge-careless.ts'
import type { Entry } from '../ledger.ts'
import { type PartsOfEitherQueue, startPartsOfEitherQueue } from '../parts.ts'
import { demand, pollUntil } from '../poll.ts'
import { untilEmpty } from '../queues.ts'
import { shuffled } from '../random.ts'
import { createRegistrar } from '../registrar.ts'
import { countRuns, type Runs, readRuns } from '../run-log.ts'
import { areReady } from '../scene.ts'

const WORKERS = 4
const RARE = 20
const LEAST_PER_SECOND = 20
const REGISTERING_S = 100
/** Each endless loop blocks a worker for some seconds, HANDLER_RETRY_LIMIT times. */
const END_LIMIT_MS = 900_000
const QUICK_END_LIMIT_MS = 120_000
const EMPTY_LIMIT_MS = 30_000
/** RPC_TIMEOUT_MS is the default: this drill is not about the node, and the machine is busy. */
const SETTINGS = { HANDLER_TIMEOUT_MS: '1000', HANDLER_RETRY_LIMIT: '3', RPC_TIMEOUT_MS: '5000' }

/** Whatever other handlers do, the writes of a well-behaved one are committed exactly once. */
export const carelessHandlers: Drill = {
  number: 19,
  title: 'handlers of twelve careless kinds beside 50% well-behaved ones',
  queues: ['rabbitmq', 'table'],
  breakage:
    'the well-behaved handler commits its row over a connection of its own, and sometimes throws then',
  run: async (context) => {
    const { broken, lifecycle, n, quick, say, tally } = context
    const handlers = broken ? 'careless-and-outside-write.js' : 'careless-and-well-behaved.js'
    const settings = {
      ...SETTINGS,
      HANDLERS: fileURLToPath(new URL(`../handlers/${handlers}`, import.meta.url)),
    }
    const parts = await startPartsOfEitherQueue(context, { settings })
    await createCarelessTables(parts.db)
    const runLog = join(parts.folder, 'runs.log')
    await writeFile(runLog, '')
    const environment = { ...parts.environment, DRILL_RUN_LOG: runLog }
    const apis = await startFleet(context, 'api', environment, { size: 1 })
    const workers = await startFleet(context, 'worker', environment, { size: WORKERS, quietCrashes: true })
    const registrar = createRegistrar(parts.chain, apis.url)
    lifecycle.add('registrar', registrar.close)
    await demand('the workers consume', () => areReady(workers))

    const entries = makeEntries(context)
    await registrar.register(entries.all, { perSecond: Math.max(LEAST_PER_SECOND, n / REGISTERING_S) })
    const registeredAt = Date.now()
    const limitMs = quick ? QUICK_END_LIMIT_MS : END_LIMIT_MS
    await pollUntil(
      async () => (await countOpen(parts.db)) === 0 && isClean(await judge(parts.db, entries.wellBehaved)),
      { timeoutMs: limitMs, intervalMs: 1_000 },
    )
    const open = await countOpen(parts.db)
    say(`${open} of ${n} have not ended ${Date.now() - registeredAt} ms after the last registration`)
    const runs = await readRuns(runLog)
    return {
      judgement: await judge(parts.db, entries.wellBehaved),
      conditions: [
        { text: `all ended within ${limitMs / 1_000} s (${open} have not)`, passed: open === 0 },
        ...(await judgeQueue(parts)),
        ...(await judgeCareless(parts.db, entries.careless, runs)),
        await judgeSessions(parts.db, runs),
        judgeDeaths(tally, entries.careless, runs),
      ],
    }
  },
}

/** Half of them well-behaved, few of the rare kinds, and the others in equal parts; in any order. */
function makeEntries({ ledger, n, random, scaled }: DrillContext) {
  const mix = { failed: 0, absent: 0 }
  const wellBehaved = ledger.make(Math.floor(n / 2), mix)
  const common = CARELESSNESSES.filter(({ isRare }) => !isRare)
  const rare = CARELESSNESSES.filter(({ isRare }) => isRare)
  const careless = rare.flatMap((carelessness) => makeOf(carelessness, scaled(RARE, 1)))
  const rest = n - wellBehaved.length - careless.length
  for (const [index, carelessness] of common.entries()) {
    const share = Math.floor((rest + index) / common.length)
    careless.push(...makeOf(carelessness, Math.max(1, share)))
  }
  return { wellBehaved, careless, all: shuffled(random('order'), [...wellBehaved, ...careless]) }

  function makeOf({ handlers }: Carelessness, count: number): Entry[] {
    return Array.from({ length: count }, (_, index) => handlers[index % handlers.length]).flatMap(
      (handler) => (handler ? ledger.make(1, { ...mix, kind: handler.kind }) : []),
    )
  }
}

/** Rows that have no verdict and are not parked. */
async function countOpen(db: Knex): Promise<number> {
  const [row] = await db('confirmd.transaction_history')
    .whereIn('status', ['pending', 'stalled'])
    .where({ parked_at: null })
    .count<{ count: string }[]>()
  return Number(row?.count)
}

/** Messages in the parked queue are expected: most careless handlers end there. */
async function judgeQueue({ rabbitmq, delaysMs }: PartsOfEitherQueue): Promise<Condition[]> {
  if (!rabbitmq) return []
  const { left } = await untilEmpty({ rabbitmq, delaysMs }, EMPTY_LIMIT_MS)
  return [{ text: `queues empty but for what is parked (${left} left)`, passed: left === 0 }]
}

async function judgeSessions(db: Knex, runs: Runs): Promise<Condition> {
  const seen: { changes: string; count: string }[] = await db('unclean')
    .select(db.raw(`array_to_string(changes, ', ') AS changes`), db.raw('count(*) AS count'))
    .groupBy('changes')
  const { total } = countRuns(runs, ['order'])
  const texts = seen.map(({ changes, count }) => `${changes} ${count} times`)
  return {
    text: `no run of the well-behaved handler, of ${total}, saw a changed session${texts.map((text) => `; ${text}`).join('')}`,
    passed: seen.length === 0 && total > 0,
  }
}

const DEADLY = ['endless loop', 'kills the process']

/** A worker dies by each of the deadly ones, and by nothing else. */
function judgeDeaths({ crashes }: Tally, careless: readonly Entry[], runs: Runs): Condition {
  const kinds = CARELESSNESSES.filter(({ name }) => DEADLY.includes(name)).flatMap(({ handlers }) =>
    handlers.map(({ kind }) => kind),
  )
  const least = careless.filter(({ kind }) => kinds.includes(kind)).length
  const { total } = countRuns(runs, kinds)
  return {
    text: `workers died ${crashes} times: at least ${least} times, and at most once for each run of a loop or a kill (${total})`,
    passed: crashes >= least && crashes <= total,
  }
}
