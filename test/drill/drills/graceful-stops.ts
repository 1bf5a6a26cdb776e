import { setTimeout as sleep } from 'node:timers/promises'
import { type RoleProcess, startRole } from '../../../src/dev/role-process.ts'
import type { Drill, DrillContext } from '../drill.ts'
import { startFleet } from '../fleet.ts'
import { type Parts, startParts } from '../parts.ts'
import { pick } from '../random.ts'
import { createRegistrar } from '../registrar.ts'
import { settleAndJudge } from '../settled.ts'

const STOPS = 20
/** Of the stops: the last ones of all are with the broker, and before them with the database, away. */
const STOPS_WITHOUT_BROKER = 3
const STOPS_WITHOUT_DATABASE = 3
const GRACE_MS = 25_000

interface Stop {
  readonly role: 'api' | 'worker'
  readonly code: number
  readonly tookMs: number
}

/** SIGTERM under load, and while broker or database is away: always exit 0, in time. */
export const gracefulStops: Drill = {
  number: 14,
  title: 'SIGTERM 20×, of these 3 with the broker and 3 with the database away',
  run: async (context) => {
    const { n, ledger, random, scaled, say } = context
    const parts = await startParts(context)
    // Apart from the processes that are stopped, some go on.
    const apis = await startFleet(context, 'api', parts.environment, { size: 1 })
    await startFleet(context, 'worker', parts.environment, { size: 1 })
    const registrar = createRegistrar(parts.chain, apis.url)
    context.lifecycle.add('registrar', registrar.close)
    const stops = scaled(STOPS, 4)
    const away = Math.max(1, Math.round((stops * STOPS_WITHOUT_BROKER) / STOPS))
    const withoutDatabase = Math.max(1, Math.round((stops * STOPS_WITHOUT_DATABASE) / STOPS))
    const underLoad = stops - away - withoutDatabase
    const entries = ledger.make(n)
    // The load lasts about as long as the stops under load do.
    const registering = registrar.register(entries, { perSecond: Math.max(20, n / (underLoad * 3)) })

    const done: Stop[] = []
    const choice = random('roles')
    for (let count = 0; count < underLoad; count++) {
      const role = pick(choice, ['worker', 'worker', 'api'] as const) ?? 'worker'
      const process = await start(role, parts)
      await sleep(500 + choice() * 1_000)
      done.push(await stop(role, process))
    }
    await registering
    done.push(...(await stopWhile(context, parts, withoutDatabase, 'database')))
    done.push(...(await stopWhile(context, parts, away, 'broker')))
    const slowestMs = Math.max(...done.map(({ tookMs }) => tookMs))
    const codes = done.map(({ code }) => code)
    say(`${done.length} stops, exit codes ${codes.join(' ')}, the slowest took ${slowestMs} ms`)
    return settleAndJudge(context, parts, {
      conditions: [
        { text: `all ${done.length} stops ended with 0`, passed: codes.every((code) => code === 0) },
        { text: `the slowest took ${slowestMs} of ${GRACE_MS} ms`, passed: slowestMs <= GRACE_MS },
      ],
    })
  },
}

function start(role: 'api' | 'worker', { environment }: Parts): Promise<RoleProcess> {
  return startRole(role, environment, { keepLine: () => false })
}

async function stop(role: 'api' | 'worker', running: RoleProcess): Promise<Stop> {
  const startedAt = Date.now()
  process.kill(running.pid, 'SIGTERM')
  return { role, code: await running.ended, tookMs: Date.now() - startedAt }
}

/** Starts processes, takes a part away from them, and stops them before it is back. */
async function stopWhile(
  { tally }: DrillContext,
  parts: Parts,
  count: number,
  missing: 'broker' | 'database',
): Promise<Stop[]> {
  const roles = Array.from({ length: count }, (_, index): Stop['role'] =>
    index % 3 === 2 ? 'api' : 'worker',
  )
  const started = await Promise.all(roles.map(async (role) => ({ role, process: await start(role, parts) })))
  await sleep(500)
  const stopAll = () => Promise.all(started.map(({ role, process }) => stop(role, process)))
  if (missing === 'database') return parts.postgres.whileStopped(stopAll)
  await parts.rabbitmq.kill()
  tally.kills += 1
  const stops = await stopAll()
  await parts.rabbitmq.restart()
  tally.restarts += 1
  return stops
}
