import type { Transaction } from '../../../src/domain/transaction.ts'
import type { SlowCheckDependencies } from '../../../src/flows/check-slowly.ts'
import type { ConfirmDependencies } from '../../../src/flows/confirm.ts'
import type { RepublishDependencies } from '../../../src/flows/republish-lost.ts'
import type { SubmitDependencies } from '../../../src/flows/submit.ts'
import type { Leased } from '../../../src/store/lease.ts'
import type { ChainName } from './processes.ts'

/** Everything that the flows and the table queue ask of a store. */
export type StorePorts<Trx> = ConfirmDependencies<Trx>['store'] &
  SubmitDependencies['store'] &
  RepublishDependencies['store'] &
  SlowCheckDependencies['store'] & {
    leaseDue(options: { leaseMs: number; limit: number }): Promise<Leased[]>
  }

/** What a store holds in the end. */
export interface StoredState {
  readonly transactions: readonly Transaction[]
  /** The ids of the transactions whose business write is committed; one entry for each commit. */
  readonly orders: readonly string[]
  /** In the order of their commit. */
  readonly events: readonly { readonly transactionId: string; readonly status: string }[]
}

/** A store that a history can be run on, with a clock that can be put forward. */
export interface ModelStore<Trx> {
  /** As a process has them that serves this chain. */
  portsOf(chain: ChainName): StorePorts<Trx>
  /** The business write of the histories: one order of this transaction. */
  writeOrder(trx: Trx, transaction: Transaction): Promise<void>
  /** The clock that due times are of. */
  clock(): Date
  /** Time that has passed, put forward or by itself; from any start. */
  elapsedMs(): number
  /** Lets time pass: what is due in `ms` is due now. */
  advance(ms: number): Promise<void>
  transactions(): Promise<readonly Transaction[]>
  state(): Promise<StoredState>
}
