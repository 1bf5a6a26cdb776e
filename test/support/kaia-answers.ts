import { readdirSync, readFileSync } from 'node:fs'

/** One call to a real node, and what it answered. */
export interface RecordedCall {
  readonly method: string
  readonly params: readonly unknown[]
  readonly result?: unknown
}

/** All calls about one transaction, or about one block. */
export interface Recording {
  /** The file's name without `.json`. */
  readonly name: string
  /** Of the transaction; undefined in the recordings of blocks. */
  readonly hash?: string
  readonly calls: readonly RecordedCall[]
}

export const NAMESPACES = ['klay', 'kaia', 'eth'] as const

const FOLDER = 'test/fixtures/kaia'

export const RECORDINGS: readonly Recording[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => ({
    name: file.replace('.json', ''),
    ...(JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')) as Omit<Recording, 'name'>),
  }))

export function recording(name: string): Recording {
  const found = RECORDINGS.find((each) => each.name === name)
  if (!found) throw new Error(`there is no recording ${name}`)
  return found
}

/** A copy of what the node answered, so that a test may change it. */
export function recordedAnswer(name: string, method: string): unknown {
  const call = recording(name).calls.find((each) => each.method === method)
  if (!call) throw new Error(`the recording ${name} has no ${method}`)
  return structuredClone(call.result)
}

/** The same, of an answer that is an object. */
export function recordedFields(name: string, method: string): Record<string, unknown> {
  return recordedAnswer(name, method) as Record<string, unknown>
}
