import { setMaxListeners } from 'node:events'
import { cursorProblem, type Epoch } from '../domain/epoch.ts'
import { type CloudEvent, type StoredEvent, toCloudEvent } from '../domain/event.ts'
import type { Log } from './ports.ts'

export interface FeedDependencies {
  readonly store: {
    readCursors(): Promise<{ numbered: number; pruned: number }>
    readEpochs(): Promise<readonly Epoch[]>
    readEvents(query: Omit<FeedQuery, 'skipPruned'> & { until: number | null }): Promise<StoredEvent[]>
    /** The number of the last of so many events after a number; null if there are fewer. */
    endOfScan(scan: { after: number; events: number }): Promise<number | null>
    /** Those of the transactions that are not pending any more. */
    findDecided(ids: readonly string[]): Promise<string[]>
  }
  readonly log: Log
}

export interface FeedQuery {
  /** Only what comes after this number. */
  readonly after: number
  readonly limit: number
  readonly kind?: string | undefined
  readonly status?: string | undefined
  /** Goes on where events were pruned, with those that are left; otherwise that is an EventsPrunedError. */
  readonly skipPruned?: boolean | undefined
}

export interface FeedPage {
  readonly events: readonly CloudEvent[]
  /** Where to go on; it may be further than the last event, past what the filter leaves out. */
  readonly next: number
}

/** A page, and whether it comes to the end of the feed. */
interface ReadPage extends FeedPage {
  readonly isLast: boolean
}

export interface Feed {
  /**
   * The next events; waits for the first of them for at most `waitMs`. Rejects with EventsPrunedError, and with
   * CursorAheadError.
   */
  read(query: FeedQuery, waitMs: number, signal: AbortSignal): Promise<FeedPage>
  newest(): Promise<number>
  /** Resolves when the transaction is not pending any more, or after the time. */
  waitUntilDecided(id: string, waitMs: number, signal: AbortSignal): Promise<void>
  /** Lets all who wait go, and from now on nobody waits. */
  stop(): void
}

/** What comes after the given number is partly gone: there would be a gap. */
export class EventsPrunedError extends Error {
  override readonly name = 'EventsPrunedError'
  constructor(after: number, pruned: number) {
    super(
      `some events after ${after} were pruned, the last of them ${pruned}; the same request with skipPruned=true goes on with those that are left`,
    )
  }
}

/** This database has not given the number after which a reader would go on. */
export class CursorAheadError extends Error {
  override readonly name = 'CursorAheadError'
}

/** Most events that one look reads past, of which the filter wants few or none. */
const MAX_SCANNED = 10_000
/** How often a process with somebody waiting looks for new events. */
const POLL_INTERVAL_MS = 50
/** The same while looking fails. */
const FAILING_INTERVAL_MS = 1_000

/** The events in order, and those who wait for the next. Looks at the database only while somebody waits. */
export function createFeed({ store, log }: FeedDependencies): Feed {
  const waiting = new Set<() => void>()
  const undecided = new Map<string, Set<() => void>>()
  const stopping = new AbortController()
  // One for each who waits.
  setMaxListeners(0, stopping.signal)
  const reading = new Map<string, Promise<ReadPage>>()
  let watching = false
  let failing = false
  /** The newest event of which those who wait were told. */
  let seen = -1

  function watch(): void {
    if (watching) return
    watching = true
    setTimeout(() => void look(), failing ? FAILING_INTERVAL_MS : POLL_INTERVAL_MS)
  }

  async function look(): Promise<void> {
    try {
      const { numbered } = await store.readCursors()
      if (numbered !== seen) {
        seen = numbered
        for (const go of waiting) go()
        await letDecidedGo()
      }
      failing = false
    } catch (error) {
      seen = -1
      if (!failing) log.warn({ err: error }, 'no look for new events; trying again')
      failing = true
    }
    watching = false
    if (waiting.size > 0 || undecided.size > 0) watch()
  }

  async function letDecidedGo(): Promise<void> {
    if (undecided.size === 0) return
    for (const id of await store.findDecided([...undecided.keys()])) {
      for (const go of undecided.get(id) ?? []) go()
    }
  }

  /** Resolves when what is armed is let go, the time is over, or nobody wants to know any more. */
  function wait(waitMs: number, signal: AbortSignal, arm: (go: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      // Not AbortSignal.any: what it makes of a signal that lives long is kept for as long.
      const ends = [signal, stopping.signal]
      if (ends.some(({ aborted }) => aborted)) return resolve()
      const go = () => {
        clearTimeout(limit)
        for (const end of ends) end.removeEventListener('abort', go)
        disarm()
        resolve()
      }
      const limit = setTimeout(go, waitMs)
      for (const end of ends) end.addEventListener('abort', go)
      const disarm = arm(go)
      watch()
    })
  }

  async function readPage({ skipPruned, ...query }: FeedQuery): Promise<ReadPage> {
    // Before the events: what is numbered after this look is found again by the next one.
    const [{ numbered }, epochs] = await Promise.all([store.readCursors(), store.readEpochs()])
    const problem = cursorProblem(query.after, epochs)
    if (problem !== null) throw new CursorAheadError(problem)
    const isFiltered = query.kind !== undefined || query.status !== undefined
    const until = isFiltered ? await store.endOfScan({ after: query.after, events: MAX_SCANNED }) : null
    const events = await store.readEvents({ ...query, until })
    // After the events: what is pruned after this look was still read.
    const { pruned } = query.after < numbered ? await store.readCursors() : { pruned: 0 }
    if (!skipPruned && query.after > 0 && query.after < pruned)
      throw new EventsPrunedError(query.after, pruned)
    const last = events.at(-1)?.sequence ?? query.after
    const isFull = events.length === query.limit
    const next = isFull ? last : Math.max(last, until ?? numbered, query.after)
    return { events: events.map(toCloudEvent), next, isLast: !isFull && until === null }
  }

  /** Readers at the same place, as all are that have read everything, share an answer. */
  function readShared(query: FeedQuery): Promise<ReadPage> {
    const key = JSON.stringify([query.after, query.limit, query.kind, query.status, query.skipPruned])
    const found = reading.get(key)
    if (found) return found
    const page = readPage(query).finally(() => reading.delete(key))
    reading.set(key, page)
    return page
  }

  return {
    read: async (query, waitMs, signal) => {
      const deadline = performance.now() + waitMs
      let { after } = query
      for (;;) {
        const page = await readShared({ ...query, after })
        const leftMs = deadline - performance.now()
        if (page.events.length > 0 || leftMs <= 0 || signal.aborted || stopping.signal.aborted) return page
        after = page.next
        // There is more to read past: nothing is to be waited for yet.
        if (!page.isLast) continue
        seen = Math.min(seen, after)
        await wait(leftMs, signal, (go) => {
          waiting.add(go)
          return () => waiting.delete(go)
        })
      }
    },
    newest: async () => (await store.readCursors()).numbered,
    waitUntilDecided: async (id, waitMs, signal) => {
      const isDecided = async () => (await store.findDecided([id])).length > 0
      if (await isDecided()) return
      seen = -1
      await wait(waitMs, signal, (go) => {
        const those = undecided.get(id) ?? new Set()
        undecided.set(id, those.add(go))
        return () => {
          those.delete(go)
          if (those.size === 0) undecided.delete(id)
        }
      })
    },
    stop: () => stopping.abort(),
  }
}
