import type { Transaction, TransactionStatus } from './transaction.ts'
import { type TransactionView, viewTransaction } from './transaction-view.ts'

/** The states whose reaching is announced. */
export type AnnouncedStatus = Exclude<TransactionStatus, 'pending'>

/** An outcome to announce: a row of `outbox`, written in the transaction that made it true. */
export interface OutcomeEvent {
  readonly transactionId: string
  readonly status: AnnouncedStatus
  readonly kind: string
  /** The transaction as the API showed it at that moment. */
  readonly data: TransactionView
}

export function outcomeEvent(transaction: Transaction, status: AnnouncedStatus): OutcomeEvent {
  return { transactionId: transaction.id, status, kind: transaction.kind, data: viewTransaction(transaction) }
}
