import type { SeenTransaction } from '../../domain/finality.ts'
import { type Fields, readAddress, readFields, readHash, readNumber } from './fields.ts'
import { createOptionalFields } from './optional-fields.ts'
import { UnusableAnswer } from './unusable-answer.ts'

/** A transaction that a node knows, in its pool or in a block. */
export interface KnownTransaction {
  /** Null where the node showed no usable sender or nonce: that teaches nothing, but the transaction is known. */
  readonly seen: SeenTransaction | null
  readonly notes: readonly string[]
}

/** Reads the answer to "what is the transaction of this hash?". Null: the node does not know it. */
export function readTransaction({ txHash }: { txHash: string }, answer: unknown): KnownTransaction | null {
  if (answer === null) return null
  const fields = readFields(answer, 'transaction')
  const hash = readHash(fields['hash'], 'hash')
  if (hash !== txHash) throw new UnusableAnswer(`it is another transaction, ${hash}`)
  return readSeen(fields)
}

function readSeen(fields: Fields): KnownTransaction {
  const { expected, notes } = createOptionalFields('transaction')
  const sender = expected(fields['from'], 'from', readAddress)
  const nonce = expected(fields['nonce'], 'nonce', readNumber)
  return { seen: sender === null || nonce === null ? null : { sender, nonce }, notes }
}
