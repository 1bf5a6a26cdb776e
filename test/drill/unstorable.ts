import type { Answer } from './node-answers.ts'

/** An answer that PostgreSQL can't keep as it is. */
export interface Unstorable {
  readonly name: string
  readonly answer: Answer
}

const LONE_SURROGATE = '\ud83d'
const MEGABYTE = 1_000_000
const SERVER_ERROR = -32_000

const ERRORS: readonly { name: string; message: string }[] = [
  { name: 'error with NUL', message: 'execution reverted: no\0\0' },
  { name: 'error with half a surrogate pair', message: `execution reverted: ${LONE_SURROGATE}` },
  { name: 'error of 1 MB', message: `execution reverted: ${'0123456789abcdef'.repeat(MEGABYTE / 16)}` },
]

const RECEIPT_PARTS: readonly { name: string; part: object }[] = [
  { name: 'receipt with NUL', part: { inputJSON: { memo: 'abc\0\0' } } },
  { name: 'receipt with half a surrogate pair', part: { inputJSON: { memo: `abc${LONE_SURROGATE}` } } },
  { name: 'receipt with an index beyond int4', part: { transactionIndex: '0x80000000' } },
  { name: 'receipt with NUL in its error', part: { status: '0x0', txError: '0x9\0' } },
]

/** How often each was given, by its name. */
type Given = ReadonlyMap<string, number>

export const UNSTORABLE_VARIANTS = ERRORS.length + RECEIPT_PARTS.length

/** An error in place of the answer: the one that was given least. */
export function unstorableError(given: Given): Unstorable {
  const { name, message } = leastGiven(ERRORS, given)
  return { name, answer: { error: { code: SERVER_ERROR, message } } }
}

/**
 * A receipt, or one of a block's, with something in it that can't be stored, and that was given least; null if there
 * is none to change.
 */
export function unstorableReceipt(truth: Answer, given: Given): Unstorable | null {
  if (!('result' in truth)) return null
  const answers: unknown[] = Array.isArray(truth.result) ? truth.result : [truth.result]
  const index = answers.findIndex(isReceipt)
  const receipt = answers[index]
  if (!isReceipt(receipt)) return null
  // Only a failed transaction has an error.
  const fitting = RECEIPT_PARTS.filter(({ part }) => !('status' in part) || part.status === receipt.status)
  const { name, part } = leastGiven(fitting, given)
  const changed = answers.with(index, { ...receipt, ...part })
  return { name, answer: { result: Array.isArray(truth.result) ? changed : changed[0] } }
}

function isReceipt(answer: unknown): answer is { status: string } {
  return typeof answer === 'object' && answer !== null && 'status' in answer
}

function leastGiven<T extends { name: string }>(variants: readonly T[], given: Given): T {
  const count = ({ name }: T) => given.get(name) ?? 0
  return variants.reduce((least, each) => (count(each) < count(least) ? each : least))
}
