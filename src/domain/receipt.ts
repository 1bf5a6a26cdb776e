import type { Json } from './json.ts'
import { txErrorName } from './kaia-tx-error.ts'
import type { Failure, Inclusion } from './transaction.ts'

/** A receipt, normalised. `raw` is as the node gave it, without `logsBloom`; stored and given to business writes. */
export interface Receipt extends Inclusion {
  readonly txHash: string
  readonly succeeded: boolean
  /** Where the receipt says them, as Kaia's do; they decide nothing, and are compared with what the caller claimed. */
  readonly sender: string | null
  readonly nonce: number | null
  /** Kaia's `txError` of a failed transaction, such as `0x9`; null where the node gives none. */
  readonly txError: string | null
  readonly raw: Json
  /** What of the answer could not be used or stored as it came, a sentence each; kept in `last_error`. */
  readonly notes: readonly string[]
}

/** Why the receipt says failed; null if it says succeeded. */
export function failureOf(receipt: Receipt): Failure | null {
  if (receipt.succeeded) return null
  return { code: receipt.txError, name: txErrorName(receipt.txError) }
}
