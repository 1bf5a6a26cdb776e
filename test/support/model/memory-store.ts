import { v7 as uuidv7 } from 'uuid'
import { outcomeEvent } from '../../../src/domain/event.ts'
import type { Notes } from '../../../src/domain/finality.ts'
import type { Registration } from '../../../src/domain/registration.ts'
import {
  isOpen,
  recordedTransaction,
  type Transaction,
  type TransactionStatus,
} from '../../../src/domain/transaction.ts'
import type { Scheduled } from '../../../src/flows/ports.ts'
import type { ModelStore, StorePorts } from './model-store.ts'
import { type ChainName, subjectOf } from './processes.ts'

/** The staged business writes of one settle. */
export interface MemoryTrx {
  readonly orders: string[]
}

export interface MemoryStore extends ModelStore<MemoryTrx> {
  /** The rows as they are at this moment, by subject; each change makes a new object. */
  rows(): ReadonlyMap<string, Transaction>
}

type Row = Transaction

/** Columns that no reader is shown. */
interface Handling {
  leasedUntilMs: number
  leaseCount: number
}

/**
 * A model of PostgreSQL under src/store, for histories by the ten thousand: the same statements with the same
 * fences (the state and the counts that a write expects), each of them atomic, a settle with its business
 * write and event all or nothing. It stands for the database, not for our code; that it tells the truth is
 * shown by running the same histories on the real store and comparing every answer (model.test.ts).
 */
export function createMemoryStore(): MemoryStore {
  const rows = new Map<string, Row>()
  const handlings = new Map<string, Handling>()
  const orders: string[] = []
  const events: { transactionId: string; status: string }[] = []
  let clockMs = Date.UTC(2026, 0, 1)

  /** Every statement takes some time, so that nothing is due exactly when it was scheduled. */
  function now(): Date {
    clockMs += 1
    return new Date(clockMs)
  }

  const inMs = (delayMs: number) => new Date(clockMs + delayMs)

  function byId(id: string): Row | undefined {
    for (const row of rows.values()) if (row.id === id) return row
    return undefined
  }

  function handlingOf(id: string): Handling {
    const handling = handlings.get(id) ?? { leasedUntilMs: 0, leaseCount: 0 }
    handlings.set(id, handling)
    return handling
  }

  function endLease(id: string): void {
    Object.assign(handlingOf(id), { leasedUntilMs: 0, leaseCount: 0 })
  }

  /** UPDATE … WHERE id = … AND fence RETURNING *: the changed row, or null if the fence held it back. */
  function update(id: string, fence: (row: Row) => boolean, changes: (row: Row) => Partial<Row>): Row | null {
    now()
    const row = byId(id)
    if (!row || !fence(row)) return null
    const changed = { ...row, ...changes(row) }
    rows.set(subjectOf(row), changed)
    return changed
  }

  /** The same for a step of the row, which ends its lease. */
  function step(...given: Parameters<typeof update>): Row | null {
    const changed = update(...given)
    if (changed) endLease(changed.id)
    return changed
  }

  function lease(
    limit: number,
    due: (row: Row, at: number) => boolean,
    changes: () => Partial<Row>,
  ): Transaction[] {
    const at = now().getTime()
    const found = [...rows.values()].filter((row) => due(row, at))
    const taken = found.sort((a, b) => dueAt(a) - dueAt(b)).slice(0, limit)
    return taken.map((row) => {
      const changed = { ...row, ...changes() }
      rows.set(subjectOf(row), changed)
      return changed
    })
  }

  function announce(row: Row | null, status: Exclude<TransactionStatus, 'pending'>): Row | null {
    if (row) events.push(outcomeEvent(row, status))
    return row
  }

  const dueAt = (row: Row) => row.nextCheckAt?.getTime() ?? Number.POSITIVE_INFINITY
  const isChecked = (row: Row) => row.status === 'pending' && row.parkedAt === null
  const isWatched = (row: Row) => isOpen(row.status) && row.status !== 'pending'
  const isAttempted = (row: Row, attempts: number) =>
    isOpen(row.status) && row.parkedAt === null && row.handlerAttempts === attempts

  const portsOf = (chain: ChainName): StorePorts<MemoryTrx> => ({
    record: async (registration) => {
      const at = now()
      const known = rows.get(subjectOf(registration))
      if (known) {
        const outcome = contentOf(known) === contentOf(registration) ? 'known' : 'conflict'
        return { outcome, transaction: known }
      }
      const row: Row = recordedTransaction(registration, { id: uuidv7(), createdAt: at, nextCheckAt: at })
      rows.set(subjectOf(row), row)
      return { outcome: 'recorded', transaction: row }
    },
    loadOpen: async (id) => {
      const at = now()
      const transaction = byId(id)
      if (!transaction) return null
      if (transaction.chain !== chain) return 'elsewhere'
      return isOpen(transaction.status) ? { transaction, now: at } : 'settled'
    },
    settle: async ({ transaction: { id }, status, receipt, failure, businessWrite, writeState }) => {
      const at = now()
      const row = byId(id)
      if (!row || !isOpen(row.status)) return { kind: 'already' }
      const { blockNumber, blockHash, transactionIndex, gasUsed, effectiveGasPriceWei } = receipt
      const settled: Row = {
        ...row,
        status,
        nextCheckAt: null,
        parkedAt: null,
        consecutiveErrors: 0,
        absentChecks: 0,
        lastError: null,
        lastCheckedAt: at,
        settledAt: at,
        failure,
        inclusion: { blockNumber, blockHash, transactionIndex, gasUsed, effectiveGasPriceWei },
        receipt: receipt.raw,
        writeState,
        replacedBy: null,
      }
      const trx: MemoryTrx = { orders: [] }
      await businessWrite?.(trx, settled)
      // The row is locked from its update to the commit: nothing may have changed it.
      if (rows.get(subjectOf(row)) !== row) throw new Error('the model changed a row that a settle holds')
      rows.set(subjectOf(row), settled)
      endLease(id)
      orders.push(...trx.orders)
      announce(settled, status)
      return { kind: 'settled', transaction: settled }
    },
    stall: async (id, { retryCount, nextCheckInMs, notes }) =>
      announce(
        step(
          id,
          (row) => isChecked(row) && row.retryCount === retryCount,
          () => ({
            ...looked('stalled'),
            ...noted(notes),
            stalledAt: inMs(0),
            nextCheckAt: inMs(nextCheckInMs),
          }),
        ),
        'stalled',
      ),
    expire: async (id, { nextCheckInMs }) =>
      announce(
        step(
          id,
          (row) => row.status === 'stalled' && row.parkedAt === null,
          () => ({ ...looked('expired'), nextCheckAt: inMs(nextCheckInMs), settledAt: inMs(0) }),
        ),
        'expired',
      ),
    settleReplaced: async (id, { evidence, expectedLooks, replacedBy, reason, nextCheckInMs }) =>
      announce(
        step(
          id,
          (row) =>
            (row.status === 'pending' || row.status === 'stalled') &&
            row.parkedAt === null &&
            row.evidence.length === expectedLooks,
          () => ({
            ...looked('replaced'),
            evidence,
            replacedBy,
            lastError: reason,
            nextCheckAt: inMs(nextCheckInMs),
            settledAt: inMs(0),
          }),
        ),
        'replaced',
      ),
    recordWait: async (id, wait) =>
      scheduled(
        step(
          id,
          (row) => row.status === 'pending' && row.retryCount === wait.expectedRetryCount,
          () => ({
            retryCount: wait.retryCount,
            consecutiveErrors: wait.consecutiveErrors,
            nextCheckAt: inMs(wait.delayMs),
            lastCheckedAt: inMs(0),
            lastError: wait.error,
            ...noted(wait.notes),
          }),
        ),
      ) ?? 'moved',
    beginWriteAttempt: async (id, { expectedAttempts, isCounted, reason }) =>
      update(
        id,
        (row) => isAttempted(row, expectedAttempts),
        () => ({ handlerAttempts: expectedAttempts + (isCounted ? 1 : 0), lastError: reason }),
      ) !== null,
    recordWriteFailure: async (id, { attempts, error, delayMs, isParked }) =>
      scheduled(
        (delayMs === null ? update : step)(
          id,
          (row) => isAttempted(row, attempts),
          (row) => ({
            ...(delayMs === null ? {} : { nextCheckAt: inMs(delayMs) }),
            parkedAt: isParked ? inMs(0) : null,
            lastCheckedAt: inMs(0),
            lastError: error,
            absentChecks: 0,
            ...(row.status === 'pending' || row.status === 'stalled' ? { evidence: [] } : {}),
          }),
        ),
      ),
    recordRefusal: async (id, { expectedAttempts, error, delayMs, isParked }) =>
      scheduled(
        step(
          id,
          (row) => isAttempted(row, expectedAttempts),
          () => ({
            handlerAttempts: expectedAttempts + 1,
            nextCheckAt: inMs(delayMs),
            parkedAt: isParked ? inMs(0) : null,
            lastError: error,
          }),
        ),
      ),
    noteReason: async (id, reason) => {
      update(
        id,
        (row) => isOpen(row.status) && row.lastError !== reason,
        () => ({ lastError: reason }),
      )
    },
    refusalOf: () => null,
    ping: async () => undefined,
    recordLook: async (id, { expectedNextCheckAt, nextCheckInMs, error, notes }) => {
      const isUnchanged = (row: Row) => row.nextCheckAt?.getTime() === expectedNextCheckAt?.getTime()
      update(
        id,
        (row) => isWatched(row) && isUnchanged(row),
        () => ({
          nextCheckAt: nextCheckInMs === null ? null : inMs(nextCheckInMs),
          lastCheckedAt: inMs(0),
          lastError: error,
          ...noted(notes),
        }),
      )
    },
    park: async (id, { reason }) =>
      step(
        id,
        (row) => isOpen(row.status) && row.parkedAt === null,
        () => ({ parkedAt: inMs(0), ...(reason === null ? {} : { lastError: reason }) }),
      ) !== null,
    markUnpublished: async (ids, graceMs) => {
      for (const id of ids) {
        update(
          id,
          (row) => isChecked(row) && dueAt(row) <= clockMs,
          (row) => ({
            nextCheckAt: new Date(Math.min(dueAt(row), clockMs - graceMs - 1)),
          }),
        )
      }
    },
    reopen: async (id) => {
      const reopened = step(
        id,
        (row) => isOpen(row.status),
        (row) => ({
          status: row.status === 'stalled' ? 'pending' : row.status,
          retryCount: 0,
          handlerAttempts: 0,
          consecutiveErrors: 0,
          nextCheckAt: inMs(0),
          parkedAt: null,
          stalledAt: row.status === 'stalled' ? null : row.stalledAt,
          absentChecks: 0,
          ...(row.status === 'pending' || row.status === 'stalled' ? { evidence: [] } : {}),
        }),
      )
      return reopened
    },
    leaseOverdue: async ({ graceMs, limit }) =>
      lease(
        limit,
        (row, at) => row.chain === chain && isChecked(row) && dueAt(row) < at - graceMs,
        () => ({ nextCheckAt: inMs(0) }),
      ),
    leaseWatched: async ({ intervalMs, limit }) => ({
      transactions: lease(
        limit,
        (row, at) => row.chain === chain && isWatched(row) && row.parkedAt === null && dueAt(row) <= at,
        () => ({ nextCheckAt: inMs(intervalMs) }),
      ),
      now: inMs(0),
    }),
    leaseDue: async ({ leaseMs, limit }) =>
      lease(
        limit,
        (row, at) =>
          row.chain === chain && isChecked(row) && dueAt(row) <= at && handlingOf(row.id).leasedUntilMs <= at,
        () => ({}),
      ).map((transaction) => {
        const handling = handlingOf(transaction.id)
        handling.leasedUntilMs = clockMs + leaseMs
        handling.leaseCount += 1
        return { transaction, leaseCount: handling.leaseCount }
      }),
  })

  function scheduled(row: Row | null): Scheduled | null {
    return row && { nextCheckAt: row.nextCheckAt }
  }

  function noted({ seen, evidence, absentChecks }: Notes): Partial<Row> {
    return {
      ...(seen ? { seen } : {}),
      ...(evidence ? { evidence } : {}),
      ...(absentChecks === null ? {} : { absentChecks }),
    }
  }

  function looked(status: TransactionStatus): Partial<Row> {
    return { status, consecutiveErrors: 0, lastError: null, lastCheckedAt: inMs(0) }
  }

  return {
    portsOf,
    writeOrder: async (trx, { id }) => void trx.orders.push(id),
    clock: () => new Date(clockMs),
    elapsedMs: () => clockMs,
    advance: async (ms) => {
      clockMs += ms
    },
    transactions: async () => [...rows.values()],
    state: async () => ({ transactions: [...rows.values()], orders, events }),
    rows: () => rows,
  }
}

function contentOf({ kind, payload, sender, nonce }: Registration): string {
  return JSON.stringify([kind, payload, sender, nonce])
}
