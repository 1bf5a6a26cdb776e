import type { Disposition } from '../domain/check-queue.ts'
import { type Decision, decide, type FinalityPolicy, type Observation, queryFor } from '../domain/finality.ts'
import { BusinessWriteError, type Handler } from '../domain/handler.ts'
import { failedWrite, type Look, lookOf } from '../domain/look.ts'
import { checkOf } from '../domain/message.ts'
import { retryDelayMs } from '../domain/schedule.ts'
import type { Transaction } from '../domain/transaction.ts'
import { businessWrites } from './business-write.ts'
import type { Gate } from './gate.ts'
import type { ChainReader, ConfirmObserver, Log, Settler, SuspicionKeeper, Tracer } from './ports.ts'
import { traceFields } from './trace-fields.ts'

export interface LookDependencies<Trx> {
  readonly store: Settler<Trx> & SuspicionKeeper
  readonly chain: ChainReader
  readonly handlers: ReadonlyMap<string, Handler<Trx>>
  readonly policy: FinalityPolicy & { readonly handlerRetryLimit: number; readonly handlerTimeoutMs: number }
  readonly observer: ConfirmObserver
  readonly tracer: Tracer
  readonly log: Log
}

export interface Looks {
  /**
   * One look at an open transaction, whatever brought us to it, carried to its end.
   * @param isSuspect workers died with its check in hand
   */
  look(transaction: Transaction, now: Date, isSuspect?: boolean): Promise<Disposition>
  /**
   * Commits the verdict of a receipt that was seen without a check, if it is final. All else is left to the row's
   * check: a business write that throws is not counted, because the check will find it so again, and waits then.
   */
  conclude(transaction: Transaction, observation: ReceiptObservation, now: Date): Promise<void>
}

type ReceiptObservation = Extract<Observation, { kind: 'receipt' }>

/** Deaths while it was handled alone after which a check is parked. */
const DEATHS_TO_PARK = 3

export const ACK: Disposition = { kind: 'ack' }

/** Counts and says that a message is set aside. */
export function parkMessage(
  { observer, log }: Pick<LookDependencies<never>, 'observer' | 'log'>,
  cause: 'unreadable' | 'unknown-transaction' | 'poison',
  reason: string,
): Disposition {
  observer.parked(cause)
  log.error({ reason }, 'message parked')
  return { kind: 'park', reason }
}

/** From an open transaction to a committed verdict, or to the next look. */
export function createLooks<Trx>(dependencies: LookDependencies<Trx>, gate: Gate): Looks {
  const { store, chain, handlers, policy, observer, tracer, log } = dependencies
  const businessWriteOf = businessWrites(handlers, policy.handlerTimeoutMs)

  function traced<T>(name: string, transaction: Transaction, work: () => Promise<T>): Promise<T> {
    const { id, txHash, kind, retryCount, traceParent } = transaction
    const attributes = {
      'confirmd.id': id,
      'confirmd.tx_hash': txHash,
      'confirmd.kind': kind,
      'confirmd.retry_count': retryCount,
    }
    return tracer.span(name, { kind: 'consumer', parent: traceParent, attributes }, work)
  }

  async function look(transaction: Transaction, now: Date, isSuspect: boolean): Promise<Disposition> {
    const observation = await chain.observe(queryFor(transaction))
    const decision = decide(observation, policy, transaction, now)
    observer.checked(decision.kind)
    const kept = lookOf(observation, decision, now)
    switch (decision.kind) {
      case 'settle':
        return isSuspect ? settleSuspect(transaction, decision, kept) : settle(transaction, decision, kept)
      case 'replace': {
        const { evidence } = decision
        const expectedLooks = transaction.evidence.length
        const replaced = await store.settleReplaced(transaction.id, { evidence, expectedLooks, look: kept })
        if (!replaced) return ACK
        observer.settled(replaced)
        const fields = { ...traceFields(replaced), evidence }
        log.warn(fields, 'transaction replaced: another one with its sender and nonce is final')
        return ACK
      }
      case 'wait':
        return wait(transaction, decision, kept)
      case 'stall': {
        const { retryCount } = transaction
        const { nextCheckInMs, notes } = decision
        const stalled = await store.stall(transaction.id, { retryCount, nextCheckInMs, notes, look: kept })
        if (!stalled) return ACK
        observer.stalled()
        const fields = { ...traceFields(stalled), retryCount, reason: decision.reason }
        log.warn(fields, 'transaction stalled: the retry limit is reached without a verdict')
        return ACK
      }
      case 'expire': {
        const expired = await store.expire(transaction.id, kept)
        if (!expired) return ACK
        observer.expired()
        log.warn(
          { ...traceFields(expired), stalledAt: expired.stalledAt },
          'transaction expired: still not on the chain',
        )
        return ACK
      }
      case 'keep':
        await store.recordLook(transaction.id, {
          ...decision,
          expectedNextCheckAt: transaction.nextCheckAt,
          look: kept,
        })
        return ACK
    }
  }

  /**
   * Notes beforehand that the business write of this check is about to run alone, so that a death tells whether
   * it is the guilty one; that one is noted again and again, and parked. The wait for a node is not noted: a
   * death in it says nothing, and counting it parked nine innocent checks in a drill of 30 kills.
   */
  async function settleSuspect(
    transaction: Transaction,
    decision: Extract<Decision, { kind: 'settle' }>,
    kept: Look,
  ): Promise<Disposition> {
    const { id } = transaction
    if ((await store.noteSuspicion(id)) > DEATHS_TO_PARK) {
      const reason = `workers died ${DEATHS_TO_PARK} times while they handled this check alone`
      await store.park(id, reason)
      return parkMessage(dependencies, 'poison', reason)
    }
    try {
      return await settle(transaction, decision, kept)
    } finally {
      await store.clearSuspicion(id)
    }
  }

  async function settle(
    transaction: Transaction,
    decision: Extract<Decision, { kind: 'settle' }>,
    kept: Look,
  ): Promise<Disposition> {
    try {
      await commit(transaction, decision, kept)
    } catch (error) {
      if (error instanceof BusinessWriteError) return handlerFailed(transaction, error, kept)
      throw error
    }
    return ACK
  }

  async function conclude(
    transaction: Transaction,
    observation: ReceiptObservation,
    now: Date,
  ): Promise<void> {
    const decision = decide(observation, policy, transaction, now)
    if (decision.kind !== 'settle') return
    const kept = lookOf(observation, decision, now)
    try {
      await traced('settle', transaction, () => gate.shared(() => commit(transaction, decision, kept)))
    } catch (error) {
      if (!(error instanceof BusinessWriteError)) throw error
      if (transaction.status === 'pending') {
        log.warn({ ...traceFields(transaction), err: error }, 'business write failed; left to the next check')
      } else await handlerFailed(transaction, error, kept)
    }
  }

  /** Nothing if the row has its verdict already. */
  async function commit(
    transaction: Transaction,
    decision: Extract<Decision, { kind: 'settle' }>,
    kept: Look,
  ): Promise<void> {
    const businessWrite = businessWriteOf(transaction.kind, decision)
    const failedBefore = transaction.handlerAttempts > 0
    const settled = await store.settle(transaction, { ...decision, look: kept }, businessWrite, failedBefore)
    if (!settled) return
    observer.settled(settled)
    const fields = {
      ...traceFields(settled),
      status: settled.status,
      retryCount: settled.retryCount,
      blockNumber: settled.inclusion?.blockNumber,
    }
    if (settled.failure) {
      log.warn({ ...fields, failure: settled.failure }, 'transaction failed on the chain')
    } else {
      log.info(fields, 'transaction confirmed')
    }
  }

  async function handlerFailed(
    transaction: Transaction,
    error: BusinessWriteError,
    kept: Look,
  ): Promise<Disposition> {
    observer.handlerFailed(error.kind)
    const attempts = transaction.handlerAttempts + 1
    const fields = { ...traceFields(transaction), err: error, handlerAttempts: attempts }
    if (transaction.status !== 'pending') {
      const nextCheckInMs = policy.stalledCheckIntervalMs
      await store.recordLook(transaction.id, {
        expectedNextCheckAt: transaction.nextCheckAt,
        nextCheckInMs,
        error: error.message,
        // A receipt was there: whatever spoke for a replacement was wrong.
        notes: { seen: null, evidence: [], absentChecks: null },
        look: { ...failedWrite(kept, error.message, nextCheckInMs), outcome: 'stays' },
      })
      log.error({ ...fields, delayMs: nextCheckInMs }, 'business write failed; verdict and write rolled back')
      return ACK
    }
    const park = attempts >= policy.handlerRetryLimit
    const delayMs = retryDelayMs(policy.retryDelaysMs, transaction.handlerAttempts)
    const counted = await store.recordHandlerFailure(transaction.id, {
      expectedAttempts: transaction.handlerAttempts,
      error: error.message,
      delayMs,
      park,
      look: failedWrite(kept, error.message, park ? null : delayMs),
    })
    if (!counted) return ACK
    if (park) {
      log.error(fields, 'business write failed too often; transaction parked until a recheck')
      observer.parked('handler')
      return { kind: 'park', reason: error.message }
    }
    observer.retried('handler-failed')
    log.error({ ...fields, delayMs, reason: 'handler-failed' }, 'transaction waiting')
    return { kind: 'wait', delayMs, check: checkOf(transaction) }
  }

  async function wait(
    transaction: Transaction,
    decision: Extract<Decision, { kind: 'wait' }>,
    kept: Look,
  ): Promise<Disposition> {
    const scheduled = await store.recordWait(transaction.id, {
      ...decision,
      expectedRetryCount: transaction.retryCount,
      look: kept,
    })
    if (!scheduled) return ACK
    const { reason, delayMs, retryCount, error } = decision
    observer.retried(reason)
    const fields = { ...traceFields(transaction), retryCount, reason, delayMs }
    if (error === null) log.info(fields, 'transaction waiting')
    else log.warn({ ...fields, error }, 'transaction waiting')
    return { kind: 'wait', delayMs, check: checkOf({ ...transaction, retryCount }) }
  }

  return {
    look: (transaction, now, isSuspect = false) =>
      traced('check', transaction, () => look(transaction, now, isSuspect)),
    conclude,
  }
}
