import { randomUUID } from 'node:crypto'
import type { Epoch } from '../domain/epoch.ts'
import type { StoredEvent } from '../domain/event.ts'
import { createAnnouncement, type EventExchange } from './announcement.ts'
import type { Log } from './ports.ts'
import { runWakefully, type Wakeful } from './wakeful.ts'

export interface RelayDependencies {
  readonly store: {
    /**
     * Gives committed events their place in the feed and their webhook deliveries, marks what the exchange has taken,
     * and hands out the next events to announce: null without the lease, if there are none or another relay has it.
     */
    advance(step: {
      prefix: string
      chain: string
      numberLimit: number
      holder: string
      taken: number | null
      handedOut: number | null
      announceLimit: number
      leaseMs: number
    }): Promise<{
      isInOwnEpoch: boolean
      numbered: number
      deliveries: number
      events: readonly StoredEvent[] | null
    }>
    keepLease(lease: { prefix: string; chain: string; holder: string; leaseMs: number }): Promise<void>
    /** Begins an epoch of this database; null if somebody was faster. */
    beginEpoch(): Promise<Epoch | null>
  }
  readonly chain: string
  /** Of the exchange. */
  readonly prefix: string
  /** Null where there is no broker: then there are the feed and the webhooks. */
  readonly exchange: EventExchange | null
  readonly observer: {
    announced(events: readonly { createdAt: Date }[]): void
  }
  /** Told when there are webhooks to send. */
  readonly onDeliveries: () => void
  readonly log: Log
}

/** Most events to number in one step. */
const NUMBER_LIMIT = 500
/** A block's outcomes in several batches: the first is with the exchange while the next is read. */
const BATCH_SIZE = 200
const MAX_BATCHES = 3
/** Outcomes of other processes whose relay died, and of a release that has none. */
const IDLE_MS = 500
const GAP_MS = 5
const LEASE_MS = 3_000

/** Sends committed outcomes on: to the feed, to webhooks and to the exchange. Any number of processes may. */
export function createRelay(dependencies: RelayDependencies): Wakeful {
  const { chain, prefix, store, exchange, observer, onDeliveries, log } = dependencies
  const holder = randomUUID()
  /** Events that the exchange has surely taken, and that are not marked yet. */
  let taken: readonly StoredEvent[] = []
  let hasLease = false
  let failing = false

  const announcement =
    exchange &&
    createAnnouncement({
      exchange,
      maxBatches: MAX_BATCHES,
      onEnd: (failure) => {
        if (failure && !failing) {
          log.warn({ err: failure.reason }, 'event not taken by the exchange; trying again')
        }
        failing = failure !== null
        // After a failure not at once.
        if (!failing) relay.wake()
      },
    })

  async function advanceAs(lease: {
    holder: string
    taken: number | null
    handedOut: number | null
    announceLimit: number
  }) {
    const advanced = await store.advance({
      prefix,
      chain,
      ...lease,
      numberLimit: NUMBER_LIMIT,
      leaseMs: LEASE_MS,
    })
    if (!advanced.isInOwnEpoch) await beginEpoch()
    if (advanced.deliveries > 0) onDeliveries()
    return advanced
  }

  async function beginEpoch(): Promise<void> {
    const begun = await store.beginEpoch()
    if (!begun) return
    log.warn(
      { epoch: begun.epoch, firstSequence: begun.firstSequence },
      'the database was restored, promoted or copied: the feed goes on in a new epoch. Readers whose cursor is of what is ' +
        'lost are answered 410',
    )
  }

  async function advance(announceLimit: number) {
    const marking = [...taken, ...(announcement?.collect() ?? [])]
    taken = marking
    const handedOut = announcement?.newest() ?? null
    const newest = marking.at(-1)?.sequence ?? null
    const advanced = await advanceAs({ holder, taken: newest, handedOut, announceLimit })
    if (marking.length > 0) {
      taken = []
      // After the mark: what is counted here is not published again.
      observer.announced(marking)
    }
    hasLease = advanced.events !== null && announceLimit > 0
    return advanced
  }

  async function numberOnly(): Promise<boolean> {
    // As nobody: the lease stays as it is.
    const nobody = { holder: randomUUID(), taken: null, handedOut: null, announceLimit: 0 }
    return (await advanceAs(nobody)).numbered > 0
  }

  function isUnderWay(): boolean {
    return (announcement?.newest() ?? null) !== null
  }

  async function step(): Promise<boolean> {
    const canTake = announcement?.canTake() ?? false
    if (!canTake && isUnderWay()) return numberOnly()
    const { numbered, events } = await advance(canTake ? BATCH_SIZE : 0)
    if (!announcement || events === null) return numbered > 0
    if (events.length === 0 && !isUnderWay()) {
      // Another relay was faster. It must not find the lease taken; and what it left to us is looked for once more.
      await advance(0)
      return true
    }
    return announcement.publish(events) === BATCH_SIZE || numbered > 0
  }

  const relay = runWakefully({
    job: step,
    idleMs: IDLE_MS,
    gapMs: GAP_MS,
    onError: (error) => log.warn({ err: error }, 'events not sent on; trying again'),
  })
  const keeping = setInterval(() => {
    if (isUnderWay()) store.keepLease({ prefix, chain, holder, leaseMs: LEASE_MS }).catch(() => undefined)
  }, LEASE_MS / 3)
  return {
    wake: relay.wake,
    stop: async () => {
      await relay.stop()
      await announcement?.ended()
      clearInterval(keeping)
      if (!hasLease) return
      await advance(0).catch((error: unknown) => {
        log.warn({ err: error }, 'announced events not marked; they are announced again')
      })
    },
  }
}
