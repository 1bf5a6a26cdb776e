import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/until.ts'

/** Asks again and again until the answer is true. False if the time is over first. */
export async function pollUntil(
  look: () => Promise<boolean> | boolean,
  { timeoutMs, intervalMs = 100 }: { timeoutMs: number; intervalMs?: number },
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    if (await look()) return true
    if (Date.now() >= deadline) return false
    await sleep(intervalMs)
  }
}

/** As `pollUntil`, for facts without which a drill makes no sense: throws if the time is over. */
export async function demand(what: string, look: () => Promise<boolean> | boolean, timeoutMs = 60_000) {
  await until(what, look, timeoutMs)
}
