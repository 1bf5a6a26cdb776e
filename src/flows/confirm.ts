import type { Delivery, Disposition } from '../domain/check-queue.ts'
import { type Check, checkOf } from '../domain/message.ts'
import type { Registration } from '../domain/registration.ts'
import { delayCovering, longestDelayMs } from '../domain/schedule.ts'
import type { Recorded, Transaction } from '../domain/transaction.ts'
import { isSuperseded, remainingMs } from '../domain/turn.ts'
import { ACK, createLooks, type LookDependencies, type Looks, parkMessage } from './look.ts'
import type { Recorder } from './ports.ts'

export interface ConfirmDependencies<Trx> extends LookDependencies<Trx> {
  /** Why a registration of this kind is not taken; null if it is. */
  readonly refuseKind: (registration: Pick<Registration, 'kind'>) => string | null
  readonly store: LookDependencies<Trx>['store'] &
    Recorder & {
      /** Null if there is no such row; `settled` if it has its verdict. */
      loadOpen(id: string): Promise<{ transaction: Transaction; now: Date } | 'settled' | null>
    }
}

export interface Confirm extends Looks {
  /** Handles a delivered message. Rejects if the database fails: nothing is decided then. */
  handle(delivery: Delivery): Promise<Disposition>
}

/** The heart of confirmd: from a check to a committed verdict, or to the next look. */
export function createConfirm<Trx>(dependencies: ConfirmDependencies<Trx>): Confirm {
  const { store, refuseKind, policy, observer, log } = dependencies
  const looks = createLooks(dependencies)

  async function handle({ message, redelivered, deliveryCount }: Delivery): Promise<Disposition> {
    // Perhaps of it, perhaps of a neighbour.
    const mayHaveEndedAProcess = redelivered || deliveryCount > 0
    switch (message.kind) {
      case 'unreadable':
        return parkMessage(dependencies, 'unreadable', message.reason)
      case 'unsupported':
        log.warn({ version: message.version }, 'message of an unknown version; left to a newer worker')
        return { kind: 'wait', delayMs: longestDelayMs(policy.retryDelaysMs) }
      case 'registration':
        return handleRegistration(message.registration, redelivered, mayHaveEndedAProcess)
      case 'check':
        return handleCheck(message.check, redelivered, mayHaveEndedAProcess)
    }
  }

  async function handleRegistration(
    registration: Registration,
    redelivered: boolean,
    mayHaveEndedAProcess: boolean,
  ): Promise<Disposition> {
    const recorded = await record(registration)
    if ('refused' in recorded) return parkMessage(dependencies, 'unreadable', recorded.refused)
    const { outcome, transaction } = recorded
    if (outcome === 'conflict') {
      const reason = `${registration.txHash} is recorded already, as ${transaction.id}, with other content`
      return parkMessage(dependencies, 'unreadable', reason)
    }
    return handleCheck(checkOf(transaction), redelivered, mayHaveEndedAProcess)
  }

  /** What the database refuses for what it holds would be refused again. */
  async function record(registration: Registration): Promise<Recorded | { refused: string }> {
    const refused = refuseKind(registration)
    if (refused !== null) return { refused }
    try {
      return await store.record(registration)
    } catch (error) {
      const reason = store.refusalOf(error)
      if (reason === null) throw error
      return { refused: `${registration.txHash} can not be recorded: ${reason}` }
    }
  }

  async function handleCheck(
    check: Check,
    redelivered: boolean,
    mayHaveEndedAProcess: boolean,
  ): Promise<Disposition> {
    const loaded = await store.loadOpen(check.id)
    if (loaded === 'settled') return ACK
    if (!loaded)
      return parkMessage(
        dependencies,
        'unknown-transaction',
        `no transaction with id ${check.id} is recorded`,
      )
    const { transaction, now } = loaded
    if (transaction.parkedAt) return ACK
    if (isSuperseded(transaction, check, now)) {
      observer.checked('superseded')
      if (!redelivered || transaction.status !== 'pending') return ACK
      // A worker may have died between scheduling the next look and publishing it: publish it again.
      const delayMs = delayCovering(policy.retryDelaysMs, remainingMs(transaction, now))
      return { kind: 'wait', delayMs, check: checkOf(transaction) }
    }
    return looks.look(transaction, now, mayHaveEndedAProcess)
  }

  return { handle, ...looks }
}
