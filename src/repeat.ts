import { setTimeout as sleep } from 'node:timers/promises'

/** Runs a job again and again, `intervalMs` after each end, until stopped. */
export interface Repeated {
  /** Resolves when the job that is running, if any, has ended. */
  stop(): Promise<void>
}

export function repeat(
  job: (signal: AbortSignal) => Promise<void>,
  intervalMs: number,
  onError: (error: unknown) => void,
): Repeated {
  const stopping = new AbortController()
  const { signal } = stopping

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await job(signal).catch(onError)
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined)
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
