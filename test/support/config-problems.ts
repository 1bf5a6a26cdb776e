import { ConfigError, readConfig } from '../../src/config.ts'

/** What is wrong in an environment; empty if nothing is. */
export function problemsOf(environment: Readonly<Record<string, string>>): readonly string[] {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}
