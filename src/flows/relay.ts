import { randomUUID } from 'node:crypto'
import { type CloudEvent, routingKeyOf, type StoredEvent, toCloudEvent } from '../domain/event.ts'
import type { Log } from './ports.ts'
import { runWakefully, type Wakeful } from './wakeful.ts'

export interface RelayDependencies {
  readonly store: {
    /**
     * Gives committed events their place in the feed and their webhook deliveries, marks what the exchange has taken,
     * and hands out the next events to announce: null without the lease, if there are none or another relay has it.
     */
    advance(step: {
      numberLimit: number
      holder: string
      taken: number | null
      announceLimit: number
      leaseMs: number
    }): Promise<{ numbered: number; deliveries: number; events: readonly StoredEvent[] | null }>
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
export function createRelay({ store, exchange, observer, onDeliveries, log }: RelayDependencies): Wakeful {
  const holder = randomUUID()
  /** Events that the exchange has surely taken, and that are not marked yet. */
  let taken: readonly StoredEvent[] = []
  let hasLease = false
  /** What the exchange is given at the moment: the feed does not wait for it. */
  let publishing: Promise<void> | null = null
  let failing = false

  async function advanceAs(lease: { holder: string; taken: number | null; announceLimit: number }) {
    const advanced = await store.advance({ ...lease, numberLimit: BATCH_SIZE, leaseMs: LEASE_MS })
    if (advanced.deliveries > 0) onDeliveries()
    return advanced
  }

  async function advance(announceLimit: number) {
    const marking = taken
    const newest = marking.at(-1)?.sequence ?? null
    const advanced = await advanceAs({ holder, taken: newest, announceLimit })
    if (marking.length > 0) {
      taken = []
      // After the mark: what is counted here is not published again.
      observer.announced(marking)
    }
    hasLease = advanced.events !== null && announceLimit > 0
    return advanced
  }

  async function publish(to: EventExchange, events: readonly StoredEvent[]): Promise<void> {
    const keeping = setInterval(() => {
      store.keepLease({ holder, leaseMs: LEASE_MS }).catch(() => undefined)
    }, LEASE_MS / 3)
    const outcomes = await Promise.allSettled(
      events.map(async (event) => to.publish(toCloudEvent(event), routingKeyOf(event))),
    )
    clearInterval(keeping)
    const firstFailed = outcomes.findIndex(({ status }) => status === 'rejected')
    const failure = outcomes[firstFailed]
    if (failure?.status === 'rejected' && !failing) {
      log.warn({ err: failure.reason }, 'event not taken by the exchange; trying again')
    }
    failing = firstFailed !== -1
    taken = failing ? events.slice(0, firstFailed) : events
  }

  async function step(): Promise<boolean> {
    // While it is given events the lease is kept, and nothing is asked for that would change it.
    if (publishing) return numberOnly()
    const { numbered, events } = await advance(exchange?.isReady() ? BATCH_SIZE : 0)
    if (events === null || !exchange) return numbered > 0
    if (events.length === 0) {
      // Another relay was faster. It must not find the lease taken; and what it left to us is looked for once more.
      await advance(0)
      return true
    }
    publishing = publish(exchange, events).finally(() => {
      publishing = null
      // After a failure not at once.
      if (!failing) relay.wake()
    })
    return numbered > 0
  }

  async function numberOnly(): Promise<boolean> {
    // As nobody: the lease stays as it is.
    const { numbered } = await advanceAs({ holder: randomUUID(), taken: null, announceLimit: 0 })
    return numbered > 0
  }

  const relay = runWakefully({
    job: step,
    idleMs: IDLE_MS,
    gapMs: GAP_MS,
    onError: (error) => log.warn({ err: error }, 'events not sent on; trying again'),
  })
  return {
    wake: relay.wake,
    stop: async () => {
      await relay.stop()
      await publishing
      if (!hasLease) return
      await advance(0).catch((error: unknown) => {
        log.warn({ err: error }, 'announced events not marked; they are announced again')
      })
    },
  }
}
