import { setTimeout as sleep } from 'node:timers/promises'

/** A job that runs when there is something to do. */
export interface Wakeful {
  /** There is something to do now. */
  wake(): void
  /** Resolves when the job that is running, if any, has ended. */
  stop(): Promise<void>
}

export interface WakefulOptions {
  /** Returns whether there is more to do at once. */
  readonly job: (signal: AbortSignal) => Promise<boolean>
  /** Runs that often though nobody wakes it. */
  readonly idleMs: number
  /** From the end of a run to the next one, so that what comes meanwhile is done together. */
  readonly gapMs: number
  readonly onError: (error: unknown) => void
}

/** Runs the job when woken, and every `idleMs`, until stopped. */
export function runWakefully({ job, idleMs, gapMs, onError }: WakefulOptions): Wakeful {
  const stopping = new AbortController()
  const { signal } = stopping
  let woken = false
  let resting = new AbortController()

  async function rest(ms: number, until: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal: until }).catch(() => undefined)
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      woken = false
      const more = await job(signal).catch((error: unknown) => {
        onError(error)
        return false
      })
      if (signal.aborted) return
      if (more) continue
      await rest(gapMs, signal)
      if (woken || signal.aborted) continue
      resting = new AbortController()
      await rest(idleMs, AbortSignal.any([resting.signal, signal]))
    }
  }

  const running = run()
  return {
    wake: () => {
      woken = true
      resting.abort()
    },
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
