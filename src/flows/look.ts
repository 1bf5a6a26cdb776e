import { setTimeout as sleep } from 'node:timers/promises'
import type { Disposition } from '../domain/check-queue.ts'
import { type Decision, decide, type FinalityPolicy, type Observation, queryFor } from '../domain/finality.ts'
import { type Look, lookOf } from '../domain/look.ts'
import { checkOf } from '../domain/message.ts'
import { retryDelayMs } from '../domain/schedule.ts'
import { storableText } from '../domain/storable-text.ts'
import type { Transaction } from '../domain/transaction.ts'
import { type CommitOutcome, createVerdicts, type VerdictDependencies } from './commit-verdict.ts'
import type { ChainReader, Log, RowKeeper, Settler, Tracer } from './ports.ts'
import { traceFields } from './trace-fields.ts'

export interface LookDependencies<Trx> extends VerdictDependencies<Trx> {
  readonly store: Settler<Trx> & RowKeeper
  readonly chain: ChainReader
  readonly policy: FinalityPolicy & VerdictDependencies<Trx>['policy']
  readonly tracer: Tracer
}

export interface Looks {
  /**
   * One check of an open transaction, whatever brought us to it, carried to its end. Rejects only if the database is
   * unavailable.
   * @param now the database's clock
   * @param mayHaveEndedAProcess a process ended with this check in hand
   */
  look(transaction: Transaction, now: Date, mayHaveEndedAProcess?: boolean): Promise<Disposition>
  /**
   * Commits the verdict of a receipt that was seen without a check, if it is final. All else is left to the row's
   * check, which is scheduled already. Rejects only if the database is unavailable.
   */
  conclude(transaction: Transaction, observation: ReceiptObservation, now: Date): Promise<void>
}

type ReceiptObservation = Extract<Observation, { kind: 'receipt' }>

/** A row that somebody has locked is tried for a minute. */
const BUSY_TRIES = 120
const BUSY_PAUSE_MS = 500

export const ACK: Disposition = { kind: 'ack' }

/** Counts and says that a message is set aside. */
export function parkMessage(
  { observer, log }: { observer: LookDependencies<never>['observer']; log: Log },
  cause: 'unreadable' | 'unknown-transaction',
  reason: string,
): Disposition {
  observer.parked(cause)
  log.error({ reason }, 'message parked')
  return { kind: 'park', reason }
}

/** From an open transaction to a committed verdict, or to the next check. */
export function createLooks<Trx>(dependencies: LookDependencies<Trx>): Looks {
  const { store, chain, policy, observer, tracer, log } = dependencies
  const verdicts = createVerdicts(dependencies)

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

  async function look(
    transaction: Transaction,
    now: Date,
    mayHaveEndedAProcess: boolean,
  ): Promise<Disposition> {
    const observation = await chain.observe(queryFor(transaction))
    const decision = decide(observation, policy, transaction, now)
    observer.checked(decision.kind)
    const kept = lookOf(observation, decision, now)
    switch (decision.kind) {
      case 'settle': {
        const options = { mayHaveEndedAProcess, isCheckScheduled: false }
        return dispositionOf(transaction, await verdicts.commit(transaction, decision, kept, options))
      }
      case 'replace':
        return replace(transaction, decision, kept, now)
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
        const { nextCheckInMs } = decision
        const expired = await store.expire(transaction.id, { nextCheckInMs, look: kept })
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

  /** The row's own timer is the next check unless the row was left untouched. */
  function dispositionOf(transaction: Transaction, outcome: CommitOutcome): Disposition {
    const isPending = transaction.status === 'pending'
    switch (outcome.kind) {
      case 'done':
        return ACK
      case 'busy':
      case 'left':
        return isPending ? again(transaction) : ACK
      case 'failed': {
        const { delayMs, nextCheckAt } = outcome
        return isPending ? { kind: 'wait', delayMs, check: checkOf({ ...transaction, nextCheckAt }) } : ACK
      }
      case 'parked':
        return ACK
    }
  }

  /** Nothing was written to the row, so only the message brings it back. */
  function again(transaction: Transaction): Disposition {
    const [delayMs] = policy.retryDelaysMs
    return { kind: 'wait', delayMs, check: checkOf(transaction), isRowUntouched: true }
  }

  async function conclude(
    transaction: Transaction,
    observation: ReceiptObservation,
    now: Date,
  ): Promise<void> {
    const decision = decide(observation, policy, transaction, now)
    if (decision.kind !== 'settle') return
    const kept = lookOf(observation, decision, now)
    const options = { mayHaveEndedAProcess: false, isCheckScheduled: true }
    const commit = () => verdicts.commit(transaction, decision, kept, options)
    // A pending one has its check; the others may have none for long, and the block is not met again.
    for (let tries = 1; tries <= BUSY_TRIES; tries++) {
      const outcome = await traced('settle', transaction, commit)
      if (outcome.kind !== 'busy' || transaction.status === 'pending') return
      await sleep(BUSY_PAUSE_MS)
    }
    log.warn(
      traceFields(transaction),
      'verdict not committed: its row is locked by another database session. Find who holds the lock, and recheck it',
    )
  }

  /** Names the transaction that consumed the nonce, if a node can still show it. */
  async function replace(
    transaction: Transaction,
    { evidence, nextCheckInMs }: Extract<Decision, { kind: 'replace' }>,
    kept: Look,
    now: Date,
  ): Promise<Disposition> {
    const { id, txHash, seen } = transaction
    const found = seen
      ? await chain.findReplacing({ txHash, ...seen })
      : ({ kind: 'unknown', reason: 'its sender is unknown' } as const)
    if (found.kind === 'found' && found.txHash === txHash) {
      // It is in a block after all: the nodes contradict each other, and the evidence is void.
      const error = `it is in block ${found.blockNumber}, though the nodes showed no receipt and its nonce used`
      return contradicted(transaction, error, kept)
    }
    const replacedBy = found.kind === 'found' ? found.txHash : null
    const replaced = await store.settleReplaced(id, {
      evidence,
      expectedLooks: transaction.evidence.length,
      replacedBy,
      reason: found.kind === 'found' ? null : `nonce consumed, by what is unknown: ${found.reason}`,
      nextCheckInMs,
      look: { ...kept, at: now.toISOString() },
    })
    if (!replaced) return ACK
    observer.settled(replaced)
    log.warn(
      { ...traceFields(replaced), replacedBy, evidence },
      'transaction replaced: another one with its sender and nonce is final',
    )
    return ACK
  }

  /** The check is made again, and what spoke for a replacement is void. */
  async function contradicted(transaction: Transaction, error: string, kept: Look): Promise<Disposition> {
    const { id, status, retryCount, nextCheckAt: expectedNextCheckAt } = transaction
    const notes = { seen: null, evidence: [], absentChecks: 0 }
    const delayMs = retryDelayMs(policy.retryDelaysMs, 0)
    const look: Look = { ...kept, outcome: 'waits', reason: 'node-unavailable', delayMs, error }
    if (status === 'pending') {
      const reason = 'node-unavailable'
      return wait(
        transaction,
        { kind: 'wait', reason, delayMs, retryCount, consecutiveErrors: 0, error, notes },
        look,
      )
    }
    await store.recordLook(id, { expectedNextCheckAt, nextCheckInMs: delayMs, error, notes, look })
    return ACK
  }

  async function wait(
    transaction: Transaction,
    decision: Extract<Decision, { kind: 'wait' }>,
    kept: Look,
  ): Promise<Disposition> {
    const recorded = await store.recordWait(transaction.id, {
      ...decision,
      expectedRetryCount: transaction.retryCount,
      look: kept,
    })
    if (recorded === 'busy') return again(transaction)
    if (recorded === 'moved') return ACK
    const { reason, delayMs, retryCount, error } = decision
    observer.retried(reason)
    const fields = { ...traceFields(transaction), retryCount, reason, delayMs }
    if (error === null) log.info(fields, 'transaction waiting')
    else log.warn({ ...fields, error }, 'transaction waiting')
    const { nextCheckAt } = recorded
    return { kind: 'wait', delayMs, check: checkOf({ ...transaction, retryCount, nextCheckAt }) }
  }

  /** A statement was refused for what it holds: counted as a failed attempt, and parked after as many. */
  async function refused(transaction: Transaction, error: unknown, reason: string): Promise<Disposition> {
    const { id, handlerAttempts } = transaction
    const text = storableText(`confirmd could not record the check: ${reason}`)
    const delayMs = retryDelayMs(policy.retryDelaysMs, handlerAttempts)
    const isParked = handlerAttempts + 1 >= policy.handlerRetryLimit
    const counted = await store.recordRefusal(id, {
      expectedAttempts: handlerAttempts,
      error: text,
      delayMs,
      isParked,
    })
    if (!counted) return transaction.status === 'pending' ? again(transaction) : ACK
    const fields = { ...traceFields(transaction), err: error, handlerAttempts: handlerAttempts + 1 }
    if (isParked) {
      observer.parked('refused')
      log.error(fields, 'check could not be recorded too often: transaction parked until a recheck')
      return ACK
    }
    log.error({ ...fields, delayMs }, 'check could not be recorded; trying again after the delay')
    if (transaction.status !== 'pending') return ACK
    const { nextCheckAt } = counted
    return { kind: 'wait', delayMs, check: checkOf({ ...transaction, nextCheckAt }) }
  }

  return {
    look: (transaction, now, mayHaveEndedAProcess = false) =>
      traced('check', transaction, async () => {
        try {
          return await look(transaction, now, mayHaveEndedAProcess)
        } catch (error) {
          const reason = store.refusalOf(error)
          if (reason === null) throw error
          return refused(transaction, error, reason)
        }
      }),
    conclude: async (transaction, observation, now) => {
      try {
        await conclude(transaction, observation, now)
      } catch (error) {
        const reason = store.refusalOf(error)
        if (reason === null) throw error
        await refused(transaction, error, reason)
      }
    },
  }
}
