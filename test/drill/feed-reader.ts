import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Condition } from './drill.ts'
import { pollUntil } from './poll.ts'

/** Reads the feed as a consumer does: from the number where the last page ended, and from where it is told if that is gone. */
export interface FeedReader {
  /** Waits until it has read all that there is; resolves with what must hold of what it read. */
  judge(db: Knex): Promise<Condition[]>
  stop(): Promise<void>
}

interface Page {
  readonly events: readonly { readonly id: string; readonly sequence: string }[]
  readonly next: string
}

const PAUSE_MS = 100
const REQUEST_TIMEOUT_MS = 10_000
const END_LIMIT_MS = 60_000

export function startFeedReader(apiUrl: () => Promise<string>): FeedReader {
  const stopping = new AbortController()
  const { signal } = stopping
  const idByNumber = new Map<number, string>()
  const seen = new Set<string>()
  const givenTwice: string[] = []
  let after = 0
  let told = 0

  function take({ events, next }: Page): void {
    for (const { id, sequence } of events) {
      const number = Number(sequence)
      const other = idByNumber.get(number)
      if (other !== undefined && other !== id) givenTwice.push(`${number}: ${other} and ${id}`)
      idByNumber.set(number, id)
      seen.add(id)
    }
    after = Number(next)
  }

  async function readOn(): Promise<void> {
    const response = await fetch(`${await apiUrl()}/v1/events?after=${after}&limit=100&wait=1`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    })
    if (response.status === 200) return take((await response.json()) as Page)
    const { detail } = (await response.json()) as { detail: string }
    const place = response.status === 410 ? /after=(\d+)/.exec(detail)?.[1] : undefined
    if (place === undefined) throw new Error(`the feed answered ${response.status}: ${detail}`)
    told += 1
    after = Number(place)
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const failed = await readOn().then(
        () => false,
        () => true,
      )
      if (failed) await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  const running = run()
  const stop = () => {
    stopping.abort()
    return running
  }
  return {
    stop,
    judge: async (db) => {
      const missed = async () => (await readEventIds(db)).filter((id) => !seen.has(id))
      await pollUntil(async () => (await missed()).length === 0, { timeoutMs: END_LIMIT_MS, intervalMs: 500 })
      const left = (await missed()).length
      await stop()
      const times = told === 1 ? 'once' : `${told} times`
      return [
        {
          text: `the reader of the feed read all events (${seen.size}, ${left} missed; told ${times} where to go on)`,
          passed: left === 0,
        },
        {
          text: `no number was given to two events${givenTwice.map((each) => `; ${each}`).join('')}`,
          passed: givenTwice.length === 0,
        },
      ]
    },
  }
}

/** Ids of all events of transactions. */
export async function readEventIds(db: Knex): Promise<string[]> {
  return db('confirmd.outbox').pluck('id')
}
