import type { Receipt } from './receipt.ts'
import type { Transaction } from './transaction.ts'

/** What a business write is given. `trx` is the database transaction that also writes the verdict. */
export interface HandlerContext<Trx> {
  readonly trx: Trx
  /** The transaction with its verdict, as it is about to be committed. */
  readonly transaction: Transaction
  readonly receipt: Receipt
}

/**
 * The business write of one kind. If it throws, the verdict is rolled back with it and both are tried again.
 * It may run more than once but is committed once, so it must have no effect outside `trx`.
 */
export interface Handler<Trx> {
  readonly kind: string
  confirmed?(context: HandlerContext<Trx>): Promise<void> | void
  failed?(context: HandlerContext<Trx>): Promise<void> | void
}

/** A business write threw; the settle was rolled back. `cause` is what it threw. */
export class BusinessWriteError extends Error {
  override readonly name = 'BusinessWriteError'
  readonly kind: string
  /** It was not waited for any longer, and may go on issuing statements. */
  readonly isUnfinished: boolean
  constructor(kind: string, cause: unknown, isUnfinished = false) {
    super(
      `the business write of kind '${kind}' failed: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
      },
    )
    this.kind = kind
    this.isUnfinished = isUnfinished
  }
}
