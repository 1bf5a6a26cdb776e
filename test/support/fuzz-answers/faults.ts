import { RPC_METHODS } from '../../../src/chain/rpc-methods.ts'
import type { FieldMutation, RequestMutation, ResponseMutation, ResultMutation } from './mutations.ts'

/** What is asked for; the newest header is a question of its own. */
export type Target = keyof typeof RPC_METHODS | 'head'

/** Stands for the field of an answer that has none, such as a number. */
export const ITSELF = 'itself'

/** How one node errs. */
export type Fault = {
  readonly node: number
  /** Answers that it fits and that are right all the same, before the first wrong one. */
  readonly skipped: number
  /** Only one answer, or all from then on. */
  readonly once: boolean
} & (
  | {
      readonly level: 'field'
      readonly target: Target
      readonly field: string
      readonly mutation: FieldMutation
    }
  | { readonly level: 'result'; readonly target: Target; readonly mutation: ResultMutation }
  | { readonly level: 'response'; readonly target: Target; readonly mutation: ResponseMutation }
  | { readonly level: 'request'; readonly mutation: RequestMutation }
)

export function targetOf(method: string, params: readonly unknown[]): Target {
  if (method === RPC_METHODS.header && params[0] === 'latest') return 'head'
  const found = Object.entries(RPC_METHODS).find(([, name]) => name === method)
  if (!found) throw new Error(`nobody should ask for ${method}`)
  return found[0] as Target
}

/** The row of the table that a fault belongs to. */
export function placeOf(fault: Fault): string {
  if (fault.level === 'request') return 'request'
  return fault.level === 'field' ? `${fault.target}.${fault.field}` : `${fault.target} (${fault.level})`
}

export function describeFault(fault: Fault): string {
  return `node ${fault.node}, ${placeOf(fault)}, ${fault.mutation}${fault.once ? ', once' : ''}${fault.skipped > 0 ? `, after ${fault.skipped}` : ''}`
}
