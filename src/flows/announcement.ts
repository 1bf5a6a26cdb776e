import { type CloudEvent, routingKeyOf, type StoredEvent, toCloudEvent } from '../domain/event.ts'

/** Where other services hear of outcomes. */
export interface EventExchange {
  /** Whether it can take events now. */
  isReady(): boolean
  /** Resolves when it has surely taken the event. */
  publish(event: CloudEvent, routingKey: string): Promise<void>
}

/** What the exchange is given, batch after batch, in the order of the feed. */
export interface Announcement {
  /** False while enough is under way, and after a failure until the rest of it has ended. */
  canTake(): boolean
  /** The newest event under way; null if none is. */
  newest(): number | null
  /** Publishes the first of these, up to one that has to wait for an earlier event of its transaction; how many. */
  publish(events: readonly StoredEvent[]): number
  /** What the exchange has surely taken since the last call, with everything before it. */
  collect(): readonly StoredEvent[]
  /** Resolves when nothing is under way. */
  ended(): Promise<void>
}

export interface AnnouncementOptions {
  readonly exchange: EventExchange
  readonly maxBatches: number
  /** A batch has ended; with an error if what was not taken is to be given again. */
  readonly onEnd: (failure: PromiseRejectedResult | null) => void
}

interface Batch {
  readonly events: readonly StoredEvent[]
  /** Null while it is under way. */
  outcomes: readonly PromiseSettledResult<void>[] | null
}

/**
 * Several batches at a time, so that none waits for the confirms of the one before. A transaction has one event under
 * way at most, which keeps their order though one fails; that one, and all after it, are to be given again.
 */
export function createAnnouncement({ exchange, maxBatches, onEnd }: AnnouncementOptions): Announcement {
  let batches: readonly Batch[] = []
  let collectable: readonly StoredEvent[] = []
  let failure: PromiseRejectedResult | null = null
  const sending = new Set<Promise<void>>()

  async function send(batch: Batch): Promise<void> {
    batch.outcomes = await Promise.allSettled(
      batch.events.map(async (event) => exchange.publish(toCloudEvent(event), routingKeyOf(event))),
    )
    while (!failure && batches[0]?.outcomes) settleFirst(batches[0].events, batches[0].outcomes)
    const ended = failure
    if (failure && batches.every(({ outcomes }) => outcomes)) {
      batches = []
      failure = null
    }
    onEnd(ended)
  }

  function settleFirst(
    events: readonly StoredEvent[],
    outcomes: readonly PromiseSettledResult<void>[],
  ): void {
    batches = batches.slice(1)
    failure = outcomes.find((outcome) => outcome.status === 'rejected') ?? null
    collectable = [...collectable, ...(failure ? events.slice(0, outcomes.indexOf(failure)) : events)]
  }

  return {
    canTake: () => exchange.isReady() && !failure && batches.length < maxBatches,
    newest: () => batches.at(-1)?.events.at(-1)?.sequence ?? null,
    publish: (given) => {
      const underWay = new Set(batches.flatMap(({ events }) => events.map((event) => event.transactionId)))
      const events = oneOfEachTransaction(given, underWay)
      if (events.length === 0) return 0
      const batch: Batch = { events, outcomes: null }
      batches = [...batches, batch]
      const sent = send(batch).finally(() => sending.delete(sent))
      sending.add(sent)
      return events.length
    },
    collect: () => {
      const collected = collectable
      collectable = []
      return collected
    },
    ended: async () => {
      await Promise.all(sending)
    },
  }
}

/** Up to the first of a transaction that has one already. */
function oneOfEachTransaction(
  events: readonly StoredEvent[],
  underWay: ReadonlySet<string | null>,
): readonly StoredEvent[] {
  const seen = new Set(underWay)
  const end = events.findIndex(({ transactionId }) => {
    if (transactionId === null) return false
    if (seen.has(transactionId)) return true
    seen.add(transactionId)
    return false
  })
  return end === -1 ? events : events.slice(0, end)
}
