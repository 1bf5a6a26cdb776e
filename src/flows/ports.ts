import type { Decision, Notes, Observation, Query } from '../domain/finality.ts'
import type { Look } from '../domain/look.ts'
import type { Receipt } from '../domain/receipt.ts'
import type { Registration } from '../domain/registration.ts'
import type { ReplacementLook } from '../domain/replacement.ts'
import type { Failure, Recorded, Transaction } from '../domain/transaction.ts'

/** What the flows need of the store, the chain and the log; adapters fit these by shape. */
export interface Recorder {
  record(registration: Registration): Promise<Recorded>
}

export interface Settler<Trx> {
  settle(
    transaction: Transaction,
    verdict: { status: 'confirmed' | 'failed'; receipt: Receipt; failure: Failure | null; look: Look },
    businessWrite: ((trx: Trx, settled: Transaction) => Promise<void>) | null,
    alone: boolean,
  ): Promise<Transaction | null>
  settleReplaced(
    id: string,
    settled: { evidence: readonly ReplacementLook[]; expectedLooks: number; look: Look },
  ): Promise<Transaction | null>
  stall(
    id: string,
    step: { retryCount: number; nextCheckInMs: number; notes: Notes; look: Look },
  ): Promise<Transaction | null>
  expire(id: string, look: Look): Promise<Transaction | null>
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
  ): Promise<boolean>
  recordHandlerFailure(
    id: string,
    failure: { expectedAttempts: number; error: string; delayMs: number; park: boolean; look: Look },
  ): Promise<boolean>
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
}

/** Finds the check that kills workers. */
export interface SuspicionKeeper {
  noteSuspicion(id: string): Promise<number>
  clearSuspicion(id: string): Promise<void>
  park(id: string, reason: string): Promise<void>
}

export interface ChainReader {
  observe(query: Query): Promise<Observation>
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
  checked(outcome: Decision['kind'] | 'superseded'): void
  retried(reason: string): void
  settled(transaction: Transaction): void
  stalled(): void
  expired(): void
  handlerFailed(kind: string): void
  parked(reason: 'handler' | 'unreadable' | 'unknown-transaction' | 'poison'): void
}
