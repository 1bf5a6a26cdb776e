import type { Delivery, Disposition } from '../domain/check-queue.ts'
import { type Check, checkOf } from '../domain/message.ts'
import type { Registration } from '../domain/registration.ts'
import { delayCovering, longestDelayMs } from '../domain/schedule.ts'
import type { Transaction } from '../domain/transaction.ts'
import { isSuperseded, remainingMs } from '../domain/turn.ts'
import { createGate } from './gate.ts'
import { ACK, createLooks, type LookDependencies, type Looks, parkMessage } from './look.ts'
import type { Recorder } from './ports.ts'

export interface ConfirmDependencies<Trx> extends LookDependencies<Trx> {
  readonly store: LookDependencies<Trx>['store'] &
    Recorder & {
      /** Null if there is no such row; `settled` if it has its verdict. */
      loadOpen(id: string): Promise<{ transaction: Transaction; now: Date } | 'settled' | null>
    }
}

export interface Confirm extends Looks {
  /** Handles a delivered message. Rejects if the database fails: nothing is decided then. */
  handle(delivery: Delivery): Promise<Disposition>
  /** Whether a verdict of this kind runs code that is not ours. */
  hasBusinessWrite(kind: string): boolean
}

/** Deliveries without a result after which a check is handled alone. */
const DELIVERIES_TO_SUSPECT = 3

/** The heart of confirmd: from a check to a committed verdict, or to the next look. */
export function createConfirm<Trx>(dependencies: ConfirmDependencies<Trx>): Confirm {
  const { store, handlers, policy, observer, log } = dependencies
  const gate = createGate()
  const looks = createLooks(dependencies, gate)

  /** A check that workers died with, perhaps of it, perhaps of a neighbour, is handled alone. */
  function handle(delivery: Delivery): Promise<Disposition> {
    if (delivery.deliveryCount < DELIVERIES_TO_SUSPECT) return gate.shared(() => dispatch(delivery, false))
    return gate.exclusive(() => dispatch(delivery, true))
  }

  async function dispatch({ message, redelivered }: Delivery, isSuspect: boolean): Promise<Disposition> {
    switch (message.kind) {
      case 'unreadable':
        return parkMessage(dependencies, 'unreadable', message.reason)
      case 'unsupported':
        log.warn({ version: message.version }, 'message of an unknown version; left to a newer worker')
        return { kind: 'wait', delayMs: longestDelayMs(policy.retryDelaysMs) }
      case 'registration':
        return handleRegistration(message.registration, redelivered, isSuspect)
      case 'check':
        return handleCheck(message.check, redelivered, isSuspect)
    }
  }

  async function handleRegistration(
    registration: Registration,
    redelivered: boolean,
    isSuspect: boolean,
  ): Promise<Disposition> {
    const { outcome, transaction } = await store.record(registration)
    if (outcome === 'conflict') {
      const reason = `${registration.txHash} is recorded already, as ${transaction.id}, with other content`
      return parkMessage(dependencies, 'unreadable', reason)
    }
    return handleCheck(checkOf(transaction), redelivered, isSuspect)
  }

  async function handleCheck(check: Check, redelivered: boolean, isSuspect: boolean): Promise<Disposition> {
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
    return looks.look(transaction, now, isSuspect)
  }

  return { handle, ...looks, hasBusinessWrite: (kind) => handlers.has(kind) }
}
