/**
 * An answer of a node that can't be used: it is no answer to the question, or a field that decides something is missing,
 * of another type, or out of range. It says nothing about the transaction; the message says why.
 */
export class UnusableAnswer extends Error {
  override readonly name = 'UnusableAnswer'
}
