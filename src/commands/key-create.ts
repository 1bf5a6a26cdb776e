import { createApiKey } from '../http/api-key.ts'
import { CommandError, EXIT } from './exit.ts'
import { print } from './output.ts'

/** Prints a new key, this once. */
export function createKey({ name }: { name?: string }): void {
  const { key, entry } = newKey(name)
  print(`key, shown this once; send it as 'Authorization: Bearer <key>':\n${key}`)
  print(`entry for API_KEYS, separated by a comma from others:\n${entry}`)
}

function newKey(name: string | undefined): { key: string; entry: string } {
  try {
    return createApiKey(name)
  } catch (error) {
    throw new CommandError(EXIT.failed, (error as Error).message)
  }
}
