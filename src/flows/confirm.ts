import type { Delivery, Disposition } from '../domain/check-queue.ts'
import { type Check, checkOf } from '../domain/message.ts'
import { differingFields, type Registration } from '../domain/registration.ts'
import { delayCovering, longestDelayMs } from '../domain/schedule.ts'
import type { Recorded, Transaction } from '../domain/transaction.ts'
import { remainingMs, turnOf } from '../domain/turn.ts'
import { ACK, createLooks, type LookDependencies, type Looks, parkMessage } from './look.ts'
import type { Recorder } from './ports.ts'

export interface ConfirmDependencies<Trx> extends LookDependencies<Trx> {
  /** Why a registration of this kind is not taken; null if it is. */
  readonly refuseKind: (registration: Pick<Registration, 'kind'>) => string | null
  readonly policy: LookDependencies<Trx>['policy'] & { readonly sweepGraceMs: number }
  readonly store: LookDependencies<Trx>['store'] &
    Recorder & {
      /** Null if there is no such row; `settled` if it has its verdict; `elsewhere` if it is of another chain. */
      loadOpen(id: string): Promise<{ transaction: Transaction; now: Date } | 'settled' | 'elsewhere' | null>
      /** Makes a row overdue, so that the next sweep of a process that serves its chain publishes its check. */
      markUnpublished(ids: readonly string[], graceMs: number): Promise<void>
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

  async function handle({ message, redelivered }: Delivery): Promise<Disposition> {
    switch (message.kind) {
      case 'unreadable':
        return parkMessage(dependencies, 'unreadable', message.reason)
      case 'unsupported':
        log.warn({ version: message.version }, 'message of an unknown version; left to a newer worker')
        return { kind: 'wait', delayMs: longestDelayMs(policy.retryDelaysMs) }
      case 'registration':
        return handleRegistration(message.registration, redelivered)
      case 'check':
        return handleCheck(message.check, redelivered)
    }
  }

  async function handleRegistration(registration: Registration, redelivered: boolean): Promise<Disposition> {
    const recorded = await record(registration)
    if ('refused' in recorded) return parkMessage(dependencies, 'unreadable', recorded.refused)
    const { outcome, transaction } = recorded
    if (outcome === 'conflict') {
      const fields = differingFields(registration, transaction).join(', ')
      const reason = `${registration.txHash} is recorded already for this kind, as ${transaction.id}, with another ${fields}`
      return parkMessage(dependencies, 'unreadable', reason)
    }
    return handleCheck(checkOf(transaction), redelivered)
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

  async function handleCheck(check: Check, redelivered: boolean): Promise<Disposition> {
    const loaded = await store.loadOpen(check.id)
    if (loaded === 'settled') return ACK
    if (loaded === 'elsewhere') return leave(check)
    if (!loaded)
      return parkMessage(
        dependencies,
        'unknown-transaction',
        `no transaction with id ${check.id} is recorded`,
      )
    const { transaction, now } = loaded
    if (transaction.parkedAt) return ACK
    const turn = turnOf(transaction, check, now, longestDelayMs(policy.retryDelaysMs))
    // It ended a process perhaps, or a neighbour in its message did.
    if (turn === 'due') return looks.look(transaction, now, redelivered)
    observer.checked(turn)
    // A worker may have died between scheduling the next check and publishing it: publish it again.
    const isNeeded = turn === 'early' || redelivered
    if (!isNeeded || transaction.status !== 'pending') return ACK
    const delayMs = delayCovering(policy.retryDelaysMs, remainingMs(transaction, now))
    return { kind: 'wait', delayMs, check: checkOf(transaction) }
  }

  /** Processes of several chains may share the queue: the row is left to one that serves its chain. */
  async function leave({ id, chain }: Check): Promise<Disposition> {
    observer.checked('elsewhere')
    await store.markUnpublished([id], policy.sweepGraceMs)
    log.info({ id, chain }, 'check left to a process that serves its chain')
    return ACK
  }

  return { handle, ...looks }
}
