import { setTimeout as sleep } from 'node:timers/promises'
import type { DrillContext } from './drill.ts'
import type { Parts } from './parts.ts'

/** A fault that comes again and again. */
export interface RepeatedFault {
  /** Resolves when the last one is over. */
  stop(): Promise<number>
}

/** Lets it happen every `intervalMs`; an error of the fault itself is no matter. */
export function every(intervalMs: number, fault: () => Promise<unknown> | unknown): RepeatedFault {
  const stopping = new AbortController()
  async function run(): Promise<number> {
    let times = 0
    for (;;) {
      await sleep(intervalMs, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return times
      await Promise.resolve(fault()).catch(() => undefined)
      times += 1
    }
  }
  const running = run()
  return {
    stop: () => {
      stopping.abort()
      return running
    },
  }
}

/** SIGKILLs the broker and starts it again after a while. */
export async function killBroker(
  { tally }: Pick<DrillContext, 'tally'>,
  { rabbitmq }: Pick<Parts, 'rabbitmq'>,
  downMs: number,
): Promise<void> {
  await rabbitmq.kill()
  tally.kills += 1
  await sleep(downMs)
  await rabbitmq.restart()
  tally.restarts += 1
}

/** Ends the connections of all confirmd processes to the database; returns how many there were. */
export async function terminateBackends({ db }: Pick<Parts, 'db'>): Promise<number> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'confirmd%'`,
  )
  return rows.length
}
