import { setTimeout as sleep } from 'node:timers/promises'

/** Rejects with `tooLate()` if the work has not ended by then; the work itself goes on. */
export async function within<T>(ms: number, work: Promise<T>, tooLate: () => Error): Promise<T> {
  const limit = new AbortController()
  const late = sleep(ms, undefined, { signal: limit.signal }).then(() => {
    throw tooLate()
  })
  late.catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    limit.abort()
  }
}
