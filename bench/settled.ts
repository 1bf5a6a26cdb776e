import { setTimeout as sleep } from 'node:timers/promises'

export interface Watch {
  /** As of the last look. */
  settled(): number
  /** Resolves when so many are settled; rejects if that takes too long. */
  until(count: number, timeoutMs: number): Promise<void>
  stop(): void
}

/** Looks again and again at how many are settled. */
export function watchSettled(count: () => Promise<number>): Watch {
  let settled = 0
  const timer = setInterval(() => {
    void count().then(
      (now) => {
        settled = now
      },
      () => undefined,
    )
  }, 100)
  return {
    settled: () => settled,
    until: async (wanted, timeoutMs) => {
      const deadline = Date.now() + timeoutMs
      for (;;) {
        settled = await count()
        if (settled >= wanted) return
        if (Date.now() > deadline) throw new Error(`${settled} of ${wanted} were settled in ${timeoutMs} ms`)
        await sleep(50)
      }
    },
    stop: () => clearInterval(timer),
  }
}
