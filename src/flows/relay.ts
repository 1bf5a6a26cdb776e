import { randomUUID } from 'node:crypto'
import { type CloudEvent, routingKeyOf, type StoredEvent, toCloudEvent } from '../domain/event.ts'
import type { Log } from './ports.ts'
import { runWakefully, type Wakeful } from './wakeful.ts'

export interface RelayDependencies {
  readonly store: {
    /** Gives committed events their place in the feed and their webhook deliveries; says how many there were. */
    numberEvents(limit: number): Promise<{ events: number; deliveries: number }>
    /**
     * Marks what the exchange has taken and hands out the next events. Null without the lease: there are none, or
     * another relay has it, and finds them.
     */
    nextEvents(lease: {
      holder: string
      taken: number | null
      limit: number
      leaseMs: number
    }): Promise<StoredEvent[] | null>
    keepLease(lease: { holder: string; leaseMs: number }): Promise<void>
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
const GAP_MS = 5
const LEASE_MS = 3_000

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
  const holder = randomUUID()
  /** Events that the exchange has surely taken, and that are not marked yet. */
  let taken: readonly StoredEvent[] = []
  let hasLease = false
  let failing = false

  async function next(limit: number): Promise<StoredEvent[] | null> {
    const newest = taken.at(-1)?.sequence ?? null
    const events = await store.nextEvents({ holder, taken: newest, limit, leaseMs: LEASE_MS })
    // After the mark: what is counted here is not published again.
    if (taken.length > 0) observer.announced(taken)
    taken = []
    hasLease = events !== null && limit > 0
    return events
  }

  /** Resolves with the first of them, as many as were surely taken. */
  async function publish(events: readonly StoredEvent[]): Promise<readonly StoredEvent[]> {
    const keeping = setInterval(() => {
      store.keepLease({ holder, leaseMs: LEASE_MS }).catch(() => undefined)
    }, LEASE_MS / 3)
    const outcomes = await Promise.allSettled(
      events.map((event) => exchange.publish(toCloudEvent(event), routingKeyOf(event))),
    ).finally(() => clearInterval(keeping))
    const firstFailed = outcomes.findIndex(({ status }) => status === 'rejected')
    const failure = outcomes[firstFailed]
    if (failure?.status === 'rejected' && !failing) {
      log.warn({ err: failure.reason }, 'event not taken by the exchange; trying again')
    }
    failing = firstFailed !== -1
    return failing ? events.slice(0, firstFailed) : events
  }

  const announcing = runWakefully({
    job: async () => {
      if (!exchange.isReady()) return false
      const events = await next(BATCH_SIZE)
      if (events === null) return false
      // Another relay was faster. It must not find the lease taken; and what it left to us is looked for once more.
      if (events.length === 0) await next(0)
      else taken = await publish(events)
      return !failing
    },
    idleMs: IDLE_MS,
    gapMs: 0,
    onError: (error) => log.warn({ err: error }, 'events not announced; trying again'),
  })
  return {
    wake: announcing.wake,
    stop: async () => {
      await announcing.stop()
      if (!hasLease) return
      await next(0).catch((error: unknown) => {
        log.warn({ err: error }, 'announced events not marked; they are announced again')
      })
    },
  }
}
