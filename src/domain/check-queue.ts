import type { Check, CheckMessage } from './message.ts'

/** A message handed to the worker. */
export interface Delivery {
  readonly message: CheckMessage
  /**
   * It was handed out before without a result; a worker may have died on it half-way, or of it. How often is not said:
   * what RabbitMQ counts differs from release to release.
   */
  readonly redelivered: boolean
}

/** What becomes of a delivered message; the queue carries it out. */
export type Disposition =
  | { readonly kind: 'ack' }
  /**
   * Comes back after the delay, as the given check or, without one, as it is.
   * `isRowUntouched`: nothing in the row says when, as it does else.
   */
  | {
      readonly kind: 'wait'
      readonly delayMs: number
      readonly check?: Check
      readonly isRowUntouched?: true
    }
  /** Set aside for a person, with the reason. */
  | { readonly kind: 'park'; readonly reason: string }

export type CheckHandler = (delivery: Delivery) => Promise<Disposition>

/**
 * Timer and distributor of checks. It may lose and double: the row in PostgreSQL is the truth.
 * Two implementations: RabbitMQ (`broker/`) and the table itself (`store/table-queue.ts`).
 */
export interface CheckQueue {
  /** Resolves once the check is stored by the queue; rejects if that is not sure. */
  publish(check: Check): Promise<void>
  /** Hands out due checks until `stopConsuming`. */
  consume(handler: CheckHandler): Promise<void>
  /** Takes nothing more and waits until what was taken is finished. */
  stopConsuming(): Promise<void>
  /** Whether checks are being handed out at this moment. */
  isConsuming(): boolean
  /** Checks that are due and in the queue, at most; null if it can't be asked, or can't lose any. */
  backlog(): Promise<number | null>
  /** Waiting messages by queue name; empty while the queue can't be asked. */
  depths(): Promise<Readonly<Record<string, number>>>
  close(): Promise<void>
}
