import type { Receipt } from './receipt.ts'
import { storableText } from './storable-text.ts'
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
  /** Declares that the kind has no business write: its transactions get their verdict and their event only. */
  readonly noWrite?: true
  confirmed?(context: HandlerContext<Trx>): Promise<void> | void
  failed?(context: HandlerContext<Trx>): Promise<void> | void
}

/**
 * How a verdict could not be committed together with its business write. `refused-data`: the database refused the
 * verdict itself. `session-lost`: the database session ended while the write ran.
 */
const FAILURE_WORDS = {
  threw: 'it threw',
  timeout: 'timeout',
  constraint: 'constraint at COMMIT',
  'refused-commit': 'refused COMMIT',
  'ended-transaction': 'ended transaction',
  'aborted-transaction': 'aborted transaction',
  'unusable-session': 'unusable session',
  'session-lost': 'session lost',
  'refused-data': 'refused data',
} as const
export type WriteFailure = keyof typeof FAILURE_WORDS

/** A verdict was rolled back because it could not be committed with its business write. `cause` is what was thrown. */
export class WriteFailedError extends Error {
  override readonly name = 'WriteFailedError'
  readonly failure: WriteFailure
  readonly kind: string
  constructor(failure: WriteFailure, kind: string, detail: string, cause?: unknown) {
    const what = failure === 'refused-data' ? 'the verdict' : 'the business write'
    super(storableText(`${what} of kind '${kind}' failed (${FAILURE_WORDS[failure]}): ${detail}`), { cause })
    this.failure = failure
    this.kind = kind
  }
}

/** What was thrown, in words that can be stored; anything may be thrown. */
export function thrownText(thrown: unknown): string {
  try {
    return storableText(thrown instanceof Error ? thrown.message : String(thrown))
  } catch {
    return 'something was thrown that can not be shown as text'
  }
}
