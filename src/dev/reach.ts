import type { LeashedOptions, SystemUser } from './leashed.ts'

/** How a command of another user gets at files of ours. */
export interface Reached {
  /** What the command calls each of them. */
  readonly names: readonly string[]
  /** How the command is to be started. */
  readonly how: Pick<LeashedOptions, 'user' | 'descriptors' | 'workingDirectory'>
}

/** Standard input, output and errors are 0 to 2. */
const FIRST_DESCRIPTOR = 3

/**
 * Another user, such as the one that PostgreSQL runs as for root, may not be able to enter the folders above our files,
 * such as /root; so on Linux it gets them open, under names that lead to them by no other folder.
 */
export function reach(paths: readonly string[], user: SystemUser | undefined): Reached {
  const isByDescriptor = user !== undefined && process.platform === 'linux'
  const names = isByDescriptor ? paths.map((_, index) => `/proc/self/fd/${FIRST_DESCRIPTOR + index}`) : paths
  // Neither may it enter our working directory.
  return { names, how: { user, descriptors: isByDescriptor ? paths : [], workingDirectory: '/' } }
}
