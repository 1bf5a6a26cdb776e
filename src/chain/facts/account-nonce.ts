import { readNumber } from './fields.ts'

/** Reads the answer to "how many transactions of this account are in the chain?", its next nonce. */
export function readAccountNonce(answer: unknown): number {
  return readNumber(answer, 'transaction count')
}
