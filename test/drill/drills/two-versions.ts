import { setTimeout as sleep } from 'node:timers/promises'
import { type RoleProcess, startRole } from '../../../src/dev/role-process.ts'
import { createTemporaryFolder } from '../../../src/dev/temporary-folder.ts'
import type { Drill, DrillContext } from '../drill.ts'
import { buildOlderRelease } from '../older-release.ts'
import { migrate, startParts } from '../parts.ts'
import { demand } from '../poll.ts'
import { createRegistrar } from '../registrar.ts'
import { settleAndJudge } from '../settled.ts'

const WORKERS = 2
const APIS = 2
/** Old, new, old again, new again. */
const ROLLS = ['new', 'old', 'new'] as const
const PAUSE_MS = 2_000
/** Time from taking an API out of the balancer until it is stopped. */
const DRAIN_MS = 300

type Version = 'old' | 'new'

/** The older release and this one side by side, rolled forward and back under load. */
export const twoVersions: Drill = {
  number: 13,
  title: 'two versions side by side, rolled forward and back under load',
  run: async (context) => {
    const { n, ledger, lifecycle, say } = context
    const folder = await createTemporaryFolder()
    lifecycle.add('folder of the older release', folder.remove)
    const older = await buildOlderRelease(folder.path)
    const parts = await startParts(context, { migrateWith: older.main })
    const start = (role: 'api' | 'worker', version: Version) =>
      startRole(role, parts.environment, {
        keepLine: ({ level }) => level > 40,
        ...(version === 'old' ? { main: older.main } : {}),
      })
    const group = await startGroup(context, start)
    let turn = 0
    const registrar = createRegistrar(parts.chain, async () => {
      turn += 1
      return group.apis[turn % group.apis.length]?.url ?? ''
    })
    lifecycle.add('registrar', registrar.close)

    const steps = ROLLS.length * (APIS + WORKERS)
    const perSecond = Math.max(20, n / (steps * 4))
    const registering = registrar.register(ledger.make(n), { perSecond })
    await sleep(PAUSE_MS)
    await migrate(parts.postgres.url)
    say(`migrated while the older release, commit ${older.commit}, was at work`)
    const codes: number[] = []
    for (const version of ROLLS) {
      codes.push(...(await group.roll(version)))
      say(`rolled to the ${version} release`)
      await sleep(PAUSE_MS)
    }
    await registering
    const answers = [...registrar.answers()].map(([status, count]) => `${count} × ${status}`).join(', ')
    const isGood = [...registrar.answers().keys()].every((status) => status === 202 || status === 200)
    return settleAndJudge(context, parts, {
      conditions: [
        { text: `no 5xx and no request without an answer (${answers})`, passed: isGood },
        { text: `all ${codes.length} stopped with 0`, passed: codes.every((code) => code === 0) },
      ],
    })
  },
}

async function startGroup(
  { lifecycle }: DrillContext,
  start: (role: 'api' | 'worker', version: Version) => Promise<RoleProcess>,
) {
  let apis = await Promise.all(Array.from({ length: APIS }, () => start('api', 'old')))
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => start('worker', 'old')))
  lifecycle.add('processes of both releases', async () => {
    for (const each of [...apis, ...workers]) await each.stop()
  })

  async function roll(version: Version): Promise<number[]> {
    const codes: number[] = []
    for (const old of [...apis]) {
      const replacement = await start('api', version)
      apis = [...apis.filter((each) => each !== old), replacement]
      await sleep(DRAIN_MS)
      codes.push(await stop(old))
    }
    for (const [slot, old] of workers.entries()) {
      const replacement = await start('worker', version)
      await demand('the new worker consumes', async () => (await fetch(`${replacement.url}/readyz`)).ok)
      codes.push(await stop(old))
      workers[slot] = replacement
    }
    return codes
  }

  return {
    get apis(): readonly RoleProcess[] {
      return apis
    },
    roll,
  }
}

async function stop(running: RoleProcess): Promise<number> {
  process.kill(running.pid, 'SIGTERM')
  return running.ended
}
