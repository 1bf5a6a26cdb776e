import { FIELD_MUTATIONS, type FieldMutation, mutatedValue } from '../support/fuzz-answers/mutations.ts'
import type { Answer } from './node-answers.ts'
import { bareName } from './node-answers.ts'
import type { Random } from './random.ts'

export interface FuzzedAnswer {
  readonly answer: Answer
  /** Of an answer about many transactions, the hash of the one that was changed. */
  readonly about: string | null
  /** Method, field and mutation. */
  readonly name: string
}

type Fields = Readonly<Record<string, unknown>>

/** Mutations of a receipt's status that make another well-formed outcome of it: no single node can be told from the truth. */
const LIES: readonly FieldMutation[] = ['off by one', 'swapped state']
const WHOLE_RESULTS = [null, [], {}, '', 7, true] as const
const RESPONSES: readonly { readonly name: string; readonly spoil: (answer: Answer) => object }[] = [
  { name: 'error', spoil: () => ({ error: { code: -32_000, message: 'header not found' } }) },
  { name: 'no result', spoil: () => ({}) },
  { name: 'result and error', spoil: (answer) => ({ ...answer, error: { code: -32_000, message: 'both' } }) },
  { name: 'other id', spoil: (answer) => ({ ...answer, id: 'nobody' }) },
  { name: 'other version', spoil: (answer) => ({ ...answer, jsonrpc: '1.0' }) },
]

/** Makes an answer wrong in one place; null if it has none that could be. */
export function fuzzedAnswer(method: string, truth: Answer, random: Random): FuzzedAnswer | null {
  if (!('result' in truth) || truth.result === null) return null
  const { result } = truth
  const named = (what: string, answer: object, about: string | null = null): FuzzedAnswer => ({
    answer: answer as Answer,
    about,
    name: `${bareName(method)} ${what}`,
  })
  const chance = random()
  if (chance < 0.1) {
    const { name, spoil } = pick(RESPONSES, random)
    return named(name, spoil(truth))
  }
  if (chance < 0.2) {
    const whole = pick(WHOLE_RESULTS, random)
    return named(`= ${JSON.stringify(whole)}`, { result: whole })
  }
  if (typeof result === 'string') {
    const mutation = pick(FIELD_MUTATIONS, random)
    return named(mutation, { result: mutatedValue(mutation, result, random) })
  }
  if (Array.isArray(result)) {
    if (result.length === 0) return null
    const index = Math.floor(random() * result.length)
    const { fields, what } = fuzzedFields(method, result[index] as Fields, random)
    const { transactionHash = null } = result[index] as { transactionHash?: string | null }
    return named(`[] ${what}`, { result: result.with(index, fields) }, transactionHash)
  }
  const { fields, what } = fuzzedFields(method, result as Fields, random)
  return named(what, { result: fields })
}

function fuzzedFields(method: string, truth: Fields, random: Random): { fields: Fields; what: string } {
  const field = pick(Object.keys(truth), random)
  const isOutcome = field === 'status' && bareName(method).includes('receipt')
  const mutations = isOutcome ? FIELD_MUTATIONS.filter((each) => !LIES.includes(each)) : FIELD_MUTATIONS
  const mutation = pick(mutations, random)
  const value = mutatedValue(mutation, truth[field], random)
  const { [field]: _, ...others } = truth
  return {
    fields: value === undefined ? others : { ...others, [field]: value },
    what: `${field} ${mutation}`,
  }
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random() * from.length)] as T
}
