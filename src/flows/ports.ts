import type { Decision, Notes, Observation, Query } from '../domain/finality.ts'
import type { Look } from '../domain/look.ts'
import type { Receipt } from '../domain/receipt.ts'
import type { Registration } from '../domain/registration.ts'
import type { ReplacementLook } from '../domain/replacement.ts'
import type { Failure, Recorded, Transaction, WriteState } from '../domain/transaction.ts'
import type { Turn } from '../domain/turn.ts'

/** What the flows need of the store, the chain and the log; adapters fit these by shape. */
export interface Recorder {
  record(registration: Registration): Promise<Recorded>
}

/** A verdict to commit, with all that belongs to it. */
export interface Settlement<Trx> {
  /** As it was read: what the registration gave never changes, the rest is read again. */
  readonly transaction: Transaction
  readonly status: 'confirmed' | 'failed'
  readonly receipt: Receipt
  readonly failure: Failure | null
  readonly look: Look
  /** Null if there is nothing to write. */
  readonly businessWrite: ((trx: Trx, settled: Transaction) => Promise<void>) | null
  readonly writeState: WriteState
  /** Only while no kind was ever handled in this database: a process with handlers may have come meanwhile. */
  readonly onlyIfNoneHandled: boolean
}

/** What became of a verdict. `busy`: the row is locked, or may not be settled without a write; nothing was written. */
export type SettleOutcome =
  | { readonly kind: 'settled'; readonly transaction: Transaction }
  /** Somebody else committed the verdict, with everything. */
  | { readonly kind: 'already' }
  | { readonly kind: 'busy' }

/** Why a row is set aside. `no-handler` ends by itself when a process with a handler of its kind appears. */
export type ParkCode = 'write-failed' | 'no-handler' | 'refused'

/** The row as its next check finds it, by the database's clock. */
export interface Scheduled {
  readonly nextCheckAt: Date | null
}

/** Commits verdicts, and counts the attempts that failed. */
export interface Settler<Trx> {
  /**
   * Rejects with a WriteFailedError if the verdict could not be committed with its business write, and with another
   * error if the database is unavailable.
   * @param isAlone in a database transaction of its own
   */
  settle(settlement: Settlement<Trx>, options: { isAlone: boolean }): Promise<SettleOutcome>
  /** Counts an attempt before it begins; false if the row has moved on. */
  beginWriteAttempt(
    id: string,
    attempt: { expectedAttempts: number; isCounted: boolean; reason: string },
  ): Promise<boolean>
  /** Null as delay: the next check stays as it is scheduled. Null if the row has moved on. */
  recordWriteFailure(
    id: string,
    failure: { attempts: number; error: string; delayMs: number | null; isParked: boolean; look: Look },
  ): Promise<Scheduled | null>
  /** Sets the row aside; null as reason keeps the error that the row has. False if it is set aside already. */
  park(id: string, options: { code: ParkCode; reason: string | null }): Promise<boolean>
  /** Says why an open row waits. */
  noteReason(id: string, reason: string): Promise<void>
  ping(): Promise<void>
}

/** Notes in the row what a check found out without a verdict from a receipt. */
export interface RowKeeper {
  settleReplaced(
    id: string,
    settled: {
      evidence: readonly ReplacementLook[]
      expectedLooks: number
      replacedBy: string | null
      reason: string | null
      nextCheckInMs: number
      look: Look
    },
  ): Promise<Transaction | null>
  stall(
    id: string,
    step: { retryCount: number; nextCheckInMs: number; notes: Notes; look: Look },
  ): Promise<Transaction | null>
  expire(id: string, step: { nextCheckInMs: number; look: Look }): Promise<Transaction | null>
  /** `moved`: the row has moved on. `busy`: it is locked, and nothing was written. */
  recordWait(
    id: string,
    wait: {
      expectedRetryCount: number
      retryCount: number
      consecutiveErrors: number
      delayMs: number
      error: string | null
      notes: Notes
      look: Look
    },
  ): Promise<Scheduled | 'moved' | 'busy'>
  recordLook(
    id: string,
    look: {
      expectedNextCheckAt: Date | null
      nextCheckInMs: number | null
      error: string | null
      notes: Notes
      look: Look
    },
  ): Promise<void>
  /** Counts a statement that was refused for what it holds. Null if the row has moved on. */
  recordRefusal(
    id: string,
    refusal: { expectedAttempts: number; error: string; delayMs: number; isParked: boolean },
  ): Promise<Scheduled | null>
  /** Why a statement failed, if that is of the row's data and would come again; null: the database is unavailable. */
  refusalOf(error: unknown): string | null
}

export interface ChainReader {
  observe(query: Query): Promise<Observation>
  /** The transaction that consumed a nonce, where a node still has the state to find it by; never rejects. */
  findReplacing(of: {
    txHash: string
    sender: string
    nonce: number
  }): Promise<
    | { readonly kind: 'found'; readonly txHash: string; readonly blockNumber: number }
    | { readonly kind: 'unknown'; readonly reason: string }
  >
}

/** Does work as a part of the trace that a transaction belongs to. */
export interface Tracer {
  span<T>(
    name: string,
    options: {
      kind: 'server' | 'consumer' | 'producer' | 'client'
      parent: string | null
      attributes: Readonly<Record<string, string | number>>
    },
    work: (traceParent: string | null) => Promise<T>,
  ): Promise<T>
}

export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Told after the commit, never before: what is counted here is true. */
export interface ConfirmObserver {
  checked(outcome: Decision['kind'] | Exclude<Turn, 'due'> | 'elsewhere'): void
  retried(reason: string): void
  settled(transaction: Transaction): void
  stalled(): void
  expired(): void
  handlerFailed(kind: string): void
  parked(reason: 'handler' | 'no-handler' | 'refused' | 'unreadable' | 'unknown-transaction'): void
}
