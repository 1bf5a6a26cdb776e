import { type CloudEvent, routingKeyOf, type StoredEvent, toCloudEvent } from '../domain/event.ts'
import type { Log } from './ports.ts'
import { runWakefully, type Wakeful } from './wakeful.ts'

export interface RelayDependencies {
  readonly store: {
    /** Gives committed events their place in the feed and their webhook deliveries; says how many there were. */
    numberEvents(limit: number): Promise<{ events: number; deliveries: number }>
    /**
     * Hands out the next events that were not announced; `publish` says how many of the first were surely taken. Both
     * find nothing while another process is at it: it looks again until there is nothing left.
     */
    announceNext(limit: number, publish: (events: readonly StoredEvent[]) => Promise<number>): Promise<number>
  }
  /** Null where there is no broker: then there are the feed and the webhooks. */
  readonly exchange: EventExchange | null
  readonly observer: {
    announced(events: readonly { createdAt: Date }[]): void
  }
  /** Told when there are webhooks to send. */
  readonly onDeliveries: () => void
  readonly log: Log
}

/** Where other services hear of outcomes. */
export interface EventExchange {
  /** Whether it can take events now. */
  isReady(): boolean
  /** Resolves when it has surely taken the event. */
  publish(event: CloudEvent, routingKey: string): Promise<void>
}

const BATCH_SIZE = 500
/** Outcomes of other processes whose relay died, and of a release that has none. */
const IDLE_MS = 500
const GAP_MS = 10

/** Sends committed outcomes on: to the feed, to webhooks and to the exchange. Any number of processes may. */
export function createRelay(dependencies: RelayDependencies): Wakeful {
  const { store, exchange, onDeliveries, log } = dependencies
  const announcing = exchange && startAnnouncing(dependencies, exchange)
  const numbering = runWakefully({
    job: async () => {
      const { events, deliveries } = await store.numberEvents(BATCH_SIZE)
      if (events > 0) announcing?.wake()
      if (deliveries > 0) onDeliveries()
      return events > 0
    },
    idleMs: IDLE_MS,
    gapMs: GAP_MS,
    onError: (error) => log.warn({ err: error }, 'events not sent on; trying again'),
  })
  return {
    wake: numbering.wake,
    stop: async () => {
      await numbering.stop()
      await announcing?.stop()
    },
  }
}

function startAnnouncing({ store, observer, log }: RelayDependencies, exchange: EventExchange): Wakeful {
  let failing = false

  async function publish(events: readonly StoredEvent[]): Promise<number> {
    const outcomes = await Promise.allSettled(
      events.map((event) => exchange.publish(toCloudEvent(event), routingKeyOf(event))),
    )
    const firstFailed = outcomes.findIndex(({ status }) => status === 'rejected')
    const taken = firstFailed === -1 ? events.length : firstFailed
    const failure = outcomes[firstFailed]
    if (failure?.status === 'rejected' && !failing) {
      log.warn({ err: failure.reason }, 'event not taken by the exchange; trying again')
    }
    failing = firstFailed !== -1
    return taken
  }

  return runWakefully({
    job: async () => {
      if (!exchange.isReady()) return false
      let handed: readonly StoredEvent[] = []
      const taken = await store.announceNext(BATCH_SIZE, async (events) => {
        handed = events
        return publish(events)
      })
      // After the mark: what is counted here is not published again.
      observer.announced(handed.slice(0, taken))
      return taken > 0 && !failing
    },
    idleMs: IDLE_MS,
    gapMs: GAP_MS,
    onError: (error) => log.warn({ err: error }, 'events not announced; trying again'),
  })
}
