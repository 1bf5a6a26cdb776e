import { setTimeout as sleep } from 'node:timers/promises'
import { toCloudEvent } from '../domain/event.ts'
import {
  type AttemptDecision,
  type AttemptOutcome,
  type DeliveryPolicy,
  type DueDelivery,
  decideAttempt,
} from '../domain/webhook.ts'
import type { Log } from './ports.ts'
import { runWakefully, type Wakeful } from './wakeful.ts'

export interface DeliverDependencies {
  readonly store: {
    leaseDeliveries(lease: {
      perWebhook: number
      inHand: Readonly<Record<string, number>>
      room: number
      leaseMs: number
    }): Promise<DueDelivery[]>
    /** Returns whether the webhook was switched off with it. */
    recordAttempt(attempt: {
      deliveryId: string
      webhookId: string
      attemptedAt: Date
      durationMs: number
      statusCode: number | null
      error: string | null
      decision: AttemptDecision
    }): Promise<boolean>
  }
  readonly sender: {
    send(request: {
      url: string
      id: string
      body: string
      secrets: readonly string[]
      now: Date
      traceParent: string | null
    }): Promise<AttemptOutcome>
  }
  readonly policy: DeliveryPolicy & { readonly timeoutMs: number }
  readonly observer: { attempted(result: AttemptDecision['status']): void }
  /** Told after a webhook was switched off: there is an event of it. */
  readonly onDisabled: () => void
  readonly log: Log
  readonly clock: () => Date
  /** From 0 to 1. */
  readonly random: () => number
}

/** Requests of one process at once; beyond it only the first one of each webhook. */
const MAX_IN_HAND = 200
/** Of one webhook. */
const MAX_PER_WEBHOOK = 50
const IDLE_MS = 500
const GAP_MS = 10
/** What a stop waits for requests under way. Their deliveries come again when their lease is over. */
const STOP_GRACE_MS = 5_000
/** Beyond the time limit of an attempt, for writing down what came of it. */
const LEASE_MARGIN_MS = 30_000

/** Sends due deliveries to their webhooks; slow ones, however many, leave the others their share. */
export function createDeliver(dependencies: DeliverDependencies): Wakeful {
  const { store, policy, log } = dependencies
  const inHand = new Map<Promise<void>, string>()
  const leaving = new AbortController()

  function inHandByWebhook(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const webhookId of inHand.values()) counts[webhookId] = (counts[webhookId] ?? 0) + 1
    return counts
  }

  const loop = runWakefully({
    job: async () => {
      const due = await store.leaseDeliveries({
        perWebhook: MAX_PER_WEBHOOK,
        inHand: inHandByWebhook(),
        room: Math.max(0, MAX_IN_HAND - inHand.size),
        leaseMs: policy.timeoutMs + LEASE_MARGIN_MS,
      })
      for (const delivery of due) {
        const attempt: Promise<void> = attemptOne(dependencies, delivery, leaving.signal)
          .catch((error: unknown) => {
            log.warn({ err: error, deliveryId: delivery.id }, 'attempt not recorded; it comes again')
          })
          .finally(() => {
            inHand.delete(attempt)
            loop.wake()
          })
        inHand.set(attempt, delivery.webhookId)
      }
      return false
    },
    idleMs: IDLE_MS,
    gapMs: GAP_MS,
    onError: (error) => log.warn({ err: error }, 'webhooks not sent; trying again'),
  })
  return {
    wake: loop.wake,
    stop: async () => {
      await loop.stop()
      const grace = sleep(STOP_GRACE_MS, undefined, { ref: false })
      await Promise.race([Promise.all(inHand.keys()), grace])
      leaving.abort()
    },
  }
}

async function attemptOne(
  dependencies: DeliverDependencies,
  delivery: DueDelivery,
  leaving: AbortSignal,
): Promise<void> {
  const { store, sender, policy, observer, onDisabled, log, clock, random } = dependencies
  const { webhookId, url, secrets, failingSince, event } = delivery
  const attemptedAt = clock()
  const body = JSON.stringify(toCloudEvent(event))
  const { id, traceParent } = event
  const outcome = await sender.send({ url, id, body, secrets, now: attemptedAt, traceParent })
  // Cut off by our own stop: that says nothing of the webhook.
  if (leaving.aborted && outcome.error) return
  const now = clock()
  const attempts = delivery.attempts + 1
  const decision = decideAttempt(outcome, { attempts, failingSince, now }, policy, random())
  const disabled = await store.recordAttempt({
    deliveryId: delivery.id,
    webhookId,
    attemptedAt,
    durationMs: now.getTime() - attemptedAt.getTime(),
    statusCode: outcome.statusCode,
    error: outcome.error,
    decision,
  })
  observer.attempted(decision.status)
  if (outcome.error) {
    const fields = {
      webhookId,
      eventId: event.id,
      attempts,
      error: outcome.error,
      nextInMs: decision.nextAttemptInMs,
    }
    log.info(fields, decision.status === 'failed' ? 'webhook delivery given up' : 'webhook delivery failed')
  }
  if (!disabled) return
  log.error({ webhookId, reason: decision.disable?.reason }, 'webhook switched off')
  onDisabled()
}
