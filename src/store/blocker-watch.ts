import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { type Blocker, describeBlocker, readBlockers } from './blockers.ts'

/** Tells for whom a session waits, while it waits. */
export interface BlockerWatch {
  /** Resolves with what the work does; meanwhile the session is watched. */
  during<T>(what: string, pid: number, work: () => Promise<T>): Promise<T>
  /** For whom it waited last, in words; null if it did not wait. */
  last(): string | null
}

const POLL_INTERVAL_MS = 250
/** The same is not said more often. */
const REPEAT_MS = 60_000

/** @param db a connection of its own: that of the watched session is busy */
export function createBlockerWatch(db: Knex, say: (message: string) => void): BlockerWatch {
  let last: string | null = null
  let said = { text: '', at: Number.NEGATIVE_INFINITY }

  function tell(what: string, blockers: readonly Blocker[]): void {
    if (blockers.length === 0) return
    last = blockers.map(describeBlocker).join(', ')
    const text = `${what} waits for ${last}`
    const now = performance.now()
    if (text === said.text && now - said.at < REPEAT_MS) return
    said = { text, at: now }
    say(text)
  }

  async function watch(what: string, pid: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Who is waited for is said for the reader only: if it can't be known, the work goes on.
      await readBlockers(db, pid).then(
        (blockers) => tell(what, blockers),
        () => undefined,
      )
      await sleep(POLL_INTERVAL_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  return {
    during: async (what, pid, work) => {
      const ended = new AbortController()
      const watching = watch(what, pid, ended.signal)
      try {
        return await work()
      } finally {
        ended.abort()
        await watching
      }
    },
    last: () => last,
  }
}
