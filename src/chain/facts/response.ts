import { readFields, shown } from './fields.ts'
import { UnusableAnswer } from './unusable-answer.ts'

/** What a response object of JSON-RPC 2.0 holds. */
export type Response =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly code: unknown; readonly message: unknown }

/** Reads the response to the request with this id: it must name the id, and hold a result or an error. */
export function readResponse({ id }: { id: number }, answer: unknown): Response {
  const fields = readFields(answer, 'JSON-RPC response')
  if (fields['jsonrpc'] !== '2.0') {
    throw new UnusableAnswer(`it is no response of JSON-RPC 2.0: its version is ${shown(fields['jsonrpc'])}`)
  }
  if (fields['id'] !== id) {
    throw new UnusableAnswer(`it answers another request: its id is ${shown(fields['id'])}, not ${id}`)
  }
  const error = errorOf(answer)
  const result = fields['result']
  // Whatever else it holds: an error is no answer to the question.
  if (error !== null) return { kind: 'error', ...error }
  if (result === undefined) throw new UnusableAnswer('it has neither a result nor an error')
  return { kind: 'result', result }
}

/** The error that an answer says, whatever else is wrong with it; null if it says none. */
export function errorOf(answer: unknown): { readonly code: unknown; readonly message: unknown } | null {
  if (typeof answer !== 'object' || answer === null) return null
  const { error } = answer as { error?: unknown }
  if (error === undefined || error === null) return null
  if (typeof error !== 'object') return { code: undefined, message: error }
  const { code, message } = error as { code?: unknown; message?: unknown }
  return { code, message }
}
