import type { FaultCounts } from './fault-counts.ts'
import type { NodeFaults } from './node.ts'
import { type Answer, bareName, NO_SUCH_METHOD } from './node-answers.ts'
import type { Random } from './random.ts'
import { unstorableError, unstorableReceipt } from './unstorable.ts'

export interface Asked {
  readonly method: string
  readonly parameters: readonly unknown[]
}

export interface UntrueAnswersOptions {
  readonly random: Random
  readonly counts: FaultCounts
  /** What the node would answer if it were right. */
  readonly answer: (asked: Asked) => Answer
}

const UNSTORABLE = 'text that cannot be stored'
const BLOCKS_AHEAD = 5_000_000
/** Calls that name what they ask for. */
const ABOUT_SOMETHING = [
  'gettransactionreceipt',
  'gettransactionbyhash',
  'getblockbynumber',
  'getheaderbynumber',
  'getblockreceipts',
]
const ABOUT_HEAD = ['getblockbynumber', 'getheaderbynumber', 'blocknumber']

/** Answers as the faults have it: rightly, about something else, with a head of the future, or with an error. */
export function untrueAnswers({ random, counts, answer }: UntrueAnswersOptions) {
  /** By method, the last call that had something to answer. */
  const earlier = new Map<string, Asked>()

  return (asked: Asked, faults: NodeFaults): Answer => {
    const name = bareName(asked.method)
    const truth = answer(asked)
    const { failingMethod, futureHead, otherQuestion = 0, unstorable = 0 } = faults
    if (failingMethod && bareName(failingMethod.method) === name) {
      counts.add('failing method', `${failingMethod.method} ${failingMethod.code}`)
      return failure(failingMethod.method, failingMethod.code)
    }
    if (futureHead && isAboutHead(asked)) {
      counts.add('future head', futureHead)
      return inFuture(truth, futureHead)
    }
    const chance = random()
    if (chance < otherQuestion) return aboutOther(name, asked, truth)
    if (chance < otherQuestion + unstorable) return notStorable(truth)
    if (ABOUT_SOMETHING.includes(name) && hasResult(truth)) earlier.set(name, asked)
    if (!('result' in truth) || !Array.isArray(truth.result) || unstorable === 0) return truth
    // The receipts of a block are many answers in one.
    return { result: truth.result.map((each: unknown) => (random() < unstorable ? spoilt(each) : each)) }
  }

  function aboutOther(name: string, asked: Asked, truth: Answer): Answer {
    const other = earlier.get(name)
    if (!other || isAboutHead(asked) || other.parameters[0] === asked.parameters[0]) return truth
    counts.add('another transaction or block', asked.method)
    return answer(other)
  }

  function notStorable(truth: Answer): Answer {
    const receipt = 'result' in truth ? spoilt(truth.result) : null
    if (receipt !== null) return { result: receipt }
    const { name, answer: error } = unstorableError(counts.variants(UNSTORABLE))
    counts.add(UNSTORABLE, name)
    return error
  }

  /** The receipt with a value that can't be stored; null if it is no receipt. */
  function spoilt(receipt: unknown): object | null {
    const changed = unstorableReceipt(receipt, counts.variants(UNSTORABLE))
    if (changed) counts.add(UNSTORABLE, changed.name)
    return changed?.receipt ?? null
  }
}

function isAboutHead({ method, parameters: [tag] }: Asked): boolean {
  return ABOUT_HEAD.includes(bareName(method)) && !(typeof tag === 'string' && tag.startsWith('0x'))
}

function hasResult(answer: Answer): boolean {
  return 'result' in answer && answer.result !== null
}

function inFuture(truth: Answer, kind: NonNullable<NodeFaults['futureHead']>): Answer {
  if (!('result' in truth)) return truth
  const { result } = truth
  if (typeof result === 'string') return { result: changed(result, (number) => number + BLOCKS_AHEAD) }
  const head = result as { number: string; timestamp: string }
  return {
    result:
      kind === 'number far ahead'
        ? { ...head, number: changed(head.number, (number) => number + BLOCKS_AHEAD) }
        : { ...head, timestamp: changed(head.timestamp, (seconds) => seconds * 1_000) },
  }
}

function changed(quantity: string, change: (number: number) => number): string {
  return `0x${change(Number(quantity)).toString(16)}`
}

function failure(method: string, code: number): Answer {
  const message =
    code === NO_SUCH_METHOD ? `the method ${method} does not exist/is not available` : 'missing trie node'
  return { error: { code, message } }
}
