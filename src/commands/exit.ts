/** What a command ends with; `confirmd --help` and the README say the same. */
export const EXIT = {
  done: 0,
  /** It could not be done, was not found, or a check of doctor failed. */
  failed: 1,
  /** As sysexits.h has it: the command is used wrongly. */
  usage: 64,
  /** As sysexits.h has it: the configuration is wrong, and a restart won't help. */
  config: 78,
} as const

/** Ends a command with a message on standard error. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number
  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}
