import { setTimeout as sleep } from 'node:timers/promises'
import { type LogLine, type RoleOptions, type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import type { DrillContext } from './drill.ts'
import { demand } from './poll.ts'
import { pick, type Random } from './random.ts'

/** Processes of one role, each started again when it ends, as a supervisor would. */
export interface Fleet {
  /** Those that serve now. */
  members(): readonly RoleProcess[]
  /** The URL of one that serves; waits for it. */
  url(): Promise<string>
  /** SIGKILL for one of them; false if none is running. */
  killOne(random: Random): boolean
  /** SIGTERM for all; resolves with their exit codes. */
  stop(): Promise<number[]>
}

export interface FleetOptions extends RoleOptions {
  readonly size: number
  /** Processes end by themselves all the time: that is counted, but not printed. */
  readonly quietCrashes?: boolean
}

const RESTART_PAUSE_MS = 200
/** Longer than SHUTDOWN_TIMEOUT_MS. A process that has not ended by then, such as one in an endless loop, is killed. */
const STOP_LIMIT_MS = 30_000
const LEVEL_WARN = 40

/** Lines that say why a process ended. */
export function isTelling({ level, msg }: LogLine): boolean {
  return level > LEVEL_WARN || msg === 'stopping'
}

/** Starts the processes and waits until all serve; they end with the drill. */
export async function startFleet(
  { lifecycle, tally, say }: Pick<DrillContext, 'lifecycle' | 'tally' | 'say'>,
  role: 'api' | 'worker',
  environment: Readonly<Record<string, string>>,
  { size, quietCrashes = false, ...roleOptions }: FleetOptions,
): Promise<Fleet> {
  const members = new Map<number, RoleProcess>()
  const killed = new Set<RoleProcess>()
  const options = { keepLine: isTelling, ...roleOptions }
  let stopping = false

  async function supervise(slot: number): Promise<void> {
    // The first start may fail as any other; a fault that happens at that moment is no reason to give up.
    for (let starts = 0; !stopping; starts++) {
      if (starts > 0) tally.restarts += 1
      const member = await startRole(role, environment, options).catch((error: Error) => error)
      if (member instanceof Error) {
        if (starts === 0) say(member.message)
        await sleep(RESTART_PAUSE_MS)
        continue
      }
      members.set(slot, member)
      if (stopping) process.kill(member.pid, 'SIGTERM')
      const code = await member.ended
      members.delete(slot)
      if (!stopping && !killed.delete(member)) noteCrash(member, code)
    }
  }

  function noteCrash({ log }: RoleProcess, code: number): void {
    tally.crashes += 1
    if (quietCrashes) return
    say(`a ${role} ended by itself with ${code}: ${JSON.stringify(log.at(-1) ?? 'it logged no error')}`)
  }

  const supervised = Array.from({ length: size }, (_, slot) => supervise(slot))
  const fleet: Fleet = {
    members: () => [...members.values()],
    url: async () => {
      await demand(`an ${role} serves`, () => members.size > 0)
      return [...members.values()][0]?.url ?? ''
    },
    killOne: (random) => {
      const member = pick(
        random,
        [...members.values()].filter((each) => !killed.has(each)),
      )
      if (!member) return false
      killed.add(member)
      tally.kills += 1
      void member.kill()
      return true
    },
    stop: async () => {
      stopping = true
      const ending = [...members.values()]
      for (const { pid } of ending) process.kill(pid, 'SIGTERM')
      const overdue = setTimeout(() => {
        for (const member of ending) void member.kill()
      }, STOP_LIMIT_MS)
      const codes = await Promise.all(ending.map(({ ended }) => ended))
      await Promise.all(supervised)
      clearTimeout(overdue)
      return codes
    },
  }
  lifecycle.add(`${role} processes`, async () => void (await fleet.stop()))
  await demand(`every ${role} serves`, () => members.size === size)
  return fleet
}
