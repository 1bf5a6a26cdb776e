import type { Answer } from './node-answers.ts'

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
export function unstorableError(given: Given): { name: string; answer: Answer } {
  const { name, message } = leastGiven(ERRORS, given)
  return { name, answer: { error: { code: SERVER_ERROR, message } } }
}

/** The receipt with a value that can't be stored, the one that was given least; null if it is no receipt. */
export function unstorableReceipt(receipt: unknown, given: Given): { name: string; receipt: object } | null {
  if (!isReceipt(receipt)) return null
  // Only a failed transaction has an error.
  const fitting = RECEIPT_PARTS.filter(({ part }) => !('status' in part) || part.status === receipt.status)
  const { name, part } = leastGiven(fitting, given)
  return { name, receipt: { ...receipt, ...part } }
}

function isReceipt(answer: unknown): answer is { status: string } {
  return typeof answer === 'object' && answer !== null && 'status' in answer
}

function leastGiven<T extends { name: string }>(variants: readonly T[], given: Given): T {
  const count = ({ name }: T) => given.get(name) ?? 0
  return variants.reduce((least, each) => (count(each) < count(least) ? each : least))
}
