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
  /** Told of the first error of a row of them; it is tried again every `idleMs`. */
  readonly onError: (error: unknown) => void
}

/** Runs the job when woken, and every `idleMs`, until stopped. */
export function runWakefully({ job, idleMs, gapMs, onError }: WakefulOptions): Wakeful {
  const stopping = new AbortController()
  const { signal } = stopping
  let woken = false
  let failing = false
  let resting = new AbortController()

  async function runOnce(): Promise<boolean> {
    woken = false
    try {
      const more = await job(signal)
      failing = false
      return more
    } catch (error) {
      if (!failing) onError(error)
      failing = true
      return false
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      if (await runOnce()) continue
      await sleep(gapMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted || (woken && !failing)) continue
      resting = new AbortController()
      await sleep(idleMs, undefined, { signal: resting.signal }).catch(() => undefined)
    }
  }

  const running = run()
  return {
    wake: () => {
      woken = true
      // An abort makes an error with its stack each time, and a busy process wakes hundreds of times in a second.
      if (!failing && !resting.signal.aborted) resting.abort()
    },
    stop: async () => {
      stopping.abort()
      resting.abort()
      await running
    },
  }
}
