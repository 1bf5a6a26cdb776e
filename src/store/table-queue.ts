import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { CheckHandler, CheckQueue } from '../domain/check-queue.ts'
import { checkOf } from '../domain/message.ts'
import { countOpen } from './counts.ts'
import { endLease, type Leased, leaseDue, renewLeases } from './lease.ts'

export interface TableQueueOptions {
  /** Only the checks of this chain are handed out. */
  readonly chain: string
  /** Most checks in hand at once. */
  readonly prefetch: number
  /** Look for due rows this often on average while there are none. */
  readonly pollIntervalMs: number
  /** Renewed while a check is in hand; when its process dies or its handler fails, it comes back after this. */
  readonly leaseMs: number
  readonly onError: (error: unknown) => void
}

/**
 * The check queue without a broker: the rows themselves. A row's `next_check_at` is its timer, a lease its
 * delivery, and what the handler wrote to the row its disposition; nothing else has to be stored.
 */
export function createTableQueue(db: Knex, options: TableQueueOptions): CheckQueue {
  const inHand = new Map<string, Promise<void>>()
  let stop: AbortController | null = null
  let renewing: NodeJS.Timeout | undefined
  let loop: Promise<void> = Promise.resolve()
  let wake = new AbortController()

  async function run(handler: CheckHandler, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const room = options.prefetch - inHand.size
      const taken = room > 0 ? await take(room) : []
      for (const leased of taken) start(handler, leased)
      if (inHand.size >= options.prefetch) await Promise.race(inHand.values())
      else if (taken.length < room) await idle(signal)
    }
  }

  async function take(limit: number): Promise<Leased[]> {
    try {
      return await leaseDue(db, { chain: options.chain, leaseMs: options.leaseMs, limit })
    } catch (error) {
      options.onError(error)
      return []
    }
  }

  function start(handler: CheckHandler, { transaction, leaseCount }: Leased): void {
    const check = checkOf(transaction)
    const { id } = check
    const finished: Promise<void> = handler({
      message: { kind: 'check', check },
      redelivered: leaseCount > 1,
    })
      .then(async (disposition) => {
        const isUntouched = disposition.kind === 'wait' && disposition.isRowUntouched
        if (isUntouched) await endLease(db, { id, dueInMs: disposition.delayMs })
      })
      .catch(options.onError)
      .finally(() => inHand.delete(id))
    inHand.set(id, finished)
  }

  async function renew(): Promise<void> {
    if (inHand.size === 0) return
    await renewLeases(db, { leaseMs: options.leaseMs, ids: [...inHand.keys()] }).catch(options.onError)
  }

  async function idle(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    wake = new AbortController()
    // At random: of workers that look in step, one could take a check again and again that another one has to have.
    const pauseMs = options.pollIntervalMs * (0.5 + Math.random())
    await sleep(pauseMs, undefined, { signal: wake.signal }).catch(() => undefined)
  }

  return {
    // The committed row is the check; it only remains to look for it at once.
    publish: async () => wake.abort(),
    consume: async (handler) => {
      stop = new AbortController()
      renewing = setInterval(() => void renew(), options.leaseMs / 3)
      loop = run(handler, stop.signal)
    },
    stopConsuming: async () => {
      stop?.abort()
      wake.abort()
      await loop
      await Promise.all(inHand.values())
      clearInterval(renewing)
      stop = null
    },
    isConsuming: () => stop !== null && !stop.signal.aborted,
    depths: async () => {
      const { pending, overdue } = await countOpen(db, options.chain)
      return { due: overdue, waiting: pending - overdue }
    },
    // The rows are the queue: nothing of it is ever lost.
    backlog: async () => null,
    close: async () => {
      stop?.abort()
      wake.abort()
      clearInterval(renewing)
    },
  }
}
