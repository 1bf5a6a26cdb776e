import { claimProblem } from '../domain/claim.ts'
import type { Decision, FinalityPolicy } from '../domain/finality.ts'
import { type Handler, WriteFailedError } from '../domain/handler.ts'
import { failedWrite, type Look } from '../domain/look.ts'
import type { Receipt } from '../domain/receipt.ts'
import { retryDelayMs } from '../domain/schedule.ts'
import type { Transaction } from '../domain/transaction.ts'
import { attemptText, writeModeOf } from '../domain/write-mode.ts'
import { businessWrites, type WriteWatch } from './business-write.ts'
import type { Kinds } from './kinds.ts'
import type { ConfirmObserver, Log, Settlement, Settler } from './ports.ts'
import { traceFields } from './trace-fields.ts'
import { createTurns } from './turns.ts'

export interface VerdictDependencies<Trx> {
  readonly store: Settler<Trx>
  readonly handlers: ReadonlyMap<string, Handler<Trx>>
  readonly kinds: Pick<Kinds, 'roleOf'>
  readonly policy: Pick<FinalityPolicy, 'retryDelaysMs'> & {
    readonly handlerRetryLimit: number
    readonly handlerTimeoutMs: number
  }
  readonly watch: WriteWatch
  readonly observer: ConfirmObserver
  readonly log: Log
}

type Verdict = Extract<Decision, { kind: 'settle' }>

/** What became of a verdict. */
export type CommitOutcome =
  /** It is committed, by us or by somebody else. */
  | { readonly kind: 'done' }
  /** Nothing was written: the row is locked or has moved on, or others have their turn. Check it again soon. */
  | { readonly kind: 'busy' }
  /** Nothing was written: another process has the handler. */
  | { readonly kind: 'left' }
  /** It failed, which is counted in the row; the next attempt is after the delay. */
  | { readonly kind: 'failed'; readonly delayMs: number; readonly nextCheckAt: Date | null }
  | { readonly kind: 'parked'; readonly reason: string }

export interface CommitOptions {
  /** A process ended with this check in hand, perhaps because of its business write. */
  readonly mayHaveEndedAProcess: boolean
  /** The row's next check is on its way: a failure leaves it so, and what failed before is left to it. */
  readonly isCheckScheduled: boolean
}

/** More than that are forgotten: a count too many is no harm. */
const MAX_UNCOUNTED = 10_000

/** Attempts alone are short; one that hangs must not keep the checks of others in hand. */
const MAX_WAIT_FOR_TURN_MS = 5_000

/**
 * Commits verdicts with their business writes, and decides what a failure means: the one place for the queue, the
 * follower and the sweep.
 */
export function createVerdicts<Trx>(dependencies: VerdictDependencies<Trx>) {
  const { store, handlers, kinds, policy, watch, observer, log } = dependencies
  const businessWriteOf = businessWrites(handlers, policy.handlerTimeoutMs, watch)
  const turns = createTurns(MAX_WAIT_FOR_TURN_MS)
  /** Attempts that were counted and then not made, or ended by an unavailable database: the next is not counted. */
  const uncounted = new Set<string>()

  async function commit(
    transaction: Transaction,
    verdict: Verdict,
    look: Look,
    options: CommitOptions,
  ): Promise<CommitOutcome> {
    const { id, kind } = transaction
    const role = kinds.roleOf(kind)
    if (role.role === 'parks') return parkWithoutHandler(transaction, role.reason)
    if (role.role === 'leaves') {
      await store.noteReason(id, role.reason)
      return { kind: 'left' }
    }
    const businessWrite = businessWriteOf(kind, verdict)
    const settlement: Settlement<Trx> = {
      transaction,
      status: verdict.status,
      receipt: verdict.receipt,
      failure: verdict.failure,
      look,
      businessWrite,
      writeState: businessWrite ? 'done' : 'none',
      onlyIfNoneHandled: role.role === 'settles' && role.onlyIfNoneHandled,
    }
    const handlerAttempts = transaction.handlerAttempts - (uncounted.has(id) ? 1 : 0)
    const mayHaveEndedAProcess = options.mayHaveEndedAProcess && businessWrite !== null
    const mode = writeModeOf({ handlerAttempts }, policy, mayHaveEndedAProcess)
    if (mode === 'park') return parkFailed(transaction)
    if (mode === 'alone') {
      return options.isCheckScheduled
        ? { kind: 'left' }
        : commitAlone(settlement, options, transaction.lastError)
    }
    try {
      return await settle(settlement, false)
    } catch (error) {
      if (!(error instanceof WriteFailedError)) throw error
      // Perhaps because of a neighbour: only what fails alone is counted.
      return commitAlone(settlement, options, error.message)
    }
  }

  async function settle(settlement: Settlement<Trx>, isAlone: boolean): Promise<CommitOutcome> {
    const outcome = await store.settle(settlement, { isAlone })
    if (outcome.kind === 'busy') return { kind: 'busy' }
    if (outcome.kind === 'settled') tellSettled(outcome.transaction, settlement.receipt)
    return { kind: 'done' }
  }

  /** @param lastError why the attempt before failed, if there was one */
  async function commitAlone(
    settlement: Settlement<Trx>,
    options: CommitOptions,
    lastError: string | null,
  ): Promise<CommitOutcome> {
    const outcome = await turns.take(() => attemptAlone(settlement, options, lastError))
    return outcome ?? { kind: 'busy' }
  }

  /** Counted in a commit of its own before it begins, so that a process that dies in it leaves the count. */
  async function attemptAlone(
    settlement: Settlement<Trx>,
    options: CommitOptions,
    lastError: string | null,
  ): Promise<CommitOutcome> {
    const { id, kind, handlerAttempts: expectedAttempts } = settlement.transaction
    const isCounted = !uncounted.delete(id)
    const attempts = expectedAttempts + (isCounted ? 1 : 0)
    const reason = attemptText({ kind, lastError }, attempts)
    // Somebody else counts one at this moment, or has settled it; the next check finds out which.
    if (!(await store.beginWriteAttempt(id, { expectedAttempts, isCounted, reason }))) return { kind: 'busy' }
    try {
      const outcome = await settle(settlement, true)
      if (outcome.kind === 'busy') takeBack(id)
      return outcome
    } catch (error) {
      if (!(error instanceof WriteFailedError)) {
        takeBack(id)
        throw error
      }
      if (error.failure === 'session-lost') await demandDatabase(id, error)
      return recordFailure(settlement, error, attempts, options)
    }
  }

  /** A session that ends while the database is there was ended by the write, or by a person; else nothing is counted. */
  async function demandDatabase(id: string, error: WriteFailedError): Promise<void> {
    try {
      await store.ping()
    } catch {
      takeBack(id)
      throw error
    }
  }

  /** What was counted says nothing of the write: the next attempt is not counted in its place. */
  function takeBack(id: string): void {
    if (uncounted.size >= MAX_UNCOUNTED) uncounted.clear()
    uncounted.add(id)
  }

  async function recordFailure(
    { transaction, look }: Settlement<Trx>,
    error: WriteFailedError,
    attempts: number,
    { isCheckScheduled }: CommitOptions,
  ): Promise<CommitOutcome> {
    const { id, kind, status } = transaction
    observer.handlerFailed(kind)
    const isParked = attempts >= policy.handlerRetryLimit
    const delayMs = retryDelayMs(policy.retryDelaysMs, attempts - 1)
    const counted = await store.recordWriteFailure(id, {
      attempts,
      error: error.message,
      delayMs: isCheckScheduled && status === 'pending' ? null : delayMs,
      isParked,
      look: failedWrite(look, error.message, isParked ? null : delayMs),
    })
    if (!counted) return { kind: 'busy' }
    const fields = {
      ...traceFields(transaction),
      err: error,
      failure: error.failure,
      handlerAttempts: attempts,
    }
    if (isParked) {
      tellParked(fields)
      return { kind: 'parked', reason: error.message }
    }
    observer.retried('handler-failed')
    log.error(
      { ...fields, delayMs, reason: 'handler-failed' },
      'verdict and business write rolled back; trying again after the delay',
    )
    return { kind: 'failed', delayMs, nextCheckAt: counted.nextCheckAt }
  }

  /** The row says already why the attempts failed, or that the process died in the last one. */
  async function parkFailed(transaction: Transaction): Promise<CommitOutcome> {
    const { id, handlerAttempts, lastError } = transaction
    if (await store.park(id, { code: 'write-failed', reason: null })) {
      tellParked({ ...traceFields(transaction), handlerAttempts, lastError })
    }
    return { kind: 'parked', reason: lastError ?? 'its business write failed too often' }
  }

  function tellParked(fields: object): void {
    observer.parked('handler')
    log.error(fields, 'business write failed too often: transaction parked. Fix the handler, then recheck it')
  }

  async function parkWithoutHandler(transaction: Transaction, reason: string): Promise<CommitOutcome> {
    if (await store.park(transaction.id, { code: 'no-handler', reason })) {
      observer.parked('no-handler')
      log.error({ ...traceFields(transaction), reason }, 'transaction parked: nobody handles its kind')
    }
    return { kind: 'parked', reason }
  }

  function tellSettled(settled: Transaction, receipt: Receipt): void {
    observer.settled(settled)
    const problem = claimProblem(settled, receipt)
    if (problem)
      log.warn({ ...traceFields(settled), problem }, 'the chain shows another transaction than claimed')
    const { status, retryCount, inclusion, failure, writeState } = settled
    const fields = {
      ...traceFields(settled),
      status,
      retryCount,
      blockNumber: inclusion?.blockNumber,
      writeState,
    }
    if (failure) log.warn({ ...fields, failure }, 'transaction failed on the chain')
    else log.info(fields, 'transaction confirmed')
  }

  return { commit }
}
