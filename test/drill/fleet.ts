import { setTimeout as sleep } from 'node:timers/promises'
import { type RoleOptions, type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import type { DrillContext, Tally } from './drill.ts'
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
}

const RESTART_PAUSE_MS = 200
const LEVEL_WARN = 40

/** Starts the processes and waits until all serve; they end with the drill. */
export async function startFleet(
  { lifecycle, tally }: Pick<DrillContext, 'lifecycle' | 'tally'>,
  role: 'api' | 'worker',
  environment: Readonly<Record<string, string>>,
  { size, ...roleOptions }: FleetOptions,
): Promise<Fleet> {
  const members = new Map<number, RoleProcess>()
  const killed = new Set<RoleProcess>()
  const options = { keepLine: ({ level }: { level: number }) => level > LEVEL_WARN, ...roleOptions }
  let stopping = false

  async function supervise(slot: number): Promise<void> {
    for (let starts = 0; !stopping; starts++) {
      if (starts > 0) tally.restarts += 1
      const member = await startRole(role, environment, options).catch(() => null)
      if (!member) {
        await sleep(RESTART_PAUSE_MS)
        continue
      }
      members.set(slot, member)
      if (stopping) process.kill(member.pid, 'SIGTERM')
      await member.ended
      members.delete(slot)
      noteEnd(member, tally)
    }
  }

  function noteEnd(member: RoleProcess, into: Tally): void {
    if (!stopping && !killed.delete(member)) into.crashes += 1
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
      const codes = await Promise.all(ending.map(({ ended }) => ended))
      await Promise.all(supervised)
      return codes
    },
  }
  lifecycle.add(`${role} processes`, async () => void (await fleet.stop()))
  await demand(`every ${role} serves`, () => members.size === size)
  return fleet
}
