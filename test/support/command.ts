import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { until } from './until.ts'

const MAIN = resolve('dist/main.js')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The program as a process of its own, while it runs. */
export interface RunningCommand {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  type(text: string): void
  readonly ended: Promise<Ended>
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly workingDirectory?: string
  /** Its input and output are a terminal. */
  readonly terminal?: boolean
}

/** Starts a command; of the environment it has what is given and nothing of ours. */
export function startCommand(parameters: readonly string[], options: CommandOptions = {}): RunningCommand {
  const { environment = {}, workingDirectory, terminal = false } = options
  const { PATH = '', HOME = '' } = process.env
  const [file, ...rest] = terminal ? onTerminal(parameters) : [process.execPath, MAIN, ...parameters]
  const child = spawn(file ?? '', rest, {
    env: { PATH, HOME, ...(terminal ? { TERM: 'xterm' } : {}), ...environment },
    ...(workingDirectory ? { cwd: workingDirectory } : {}),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdin.on('error', () => undefined)
  if (!terminal) child.stdin.end()
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    type: (text) => void child.stdin.write(text),
    ended: once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr })),
  }
}

/** Runs a command to its end. */
export function runCommand(
  parameters: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return startCommand(parameters, { environment }).ended
}

/** Answers a question on a terminal. */
export async function answerQuestion(
  command: RunningCommand,
  question: string,
  answer: string,
): Promise<Ended> {
  await until(`it asks '${question}'`, () => command.stdout().includes(question))
  command.type(`${answer}\n`)
  return command.ended
}

/** By `script` of util-linux, which gives the command a terminal and ends with its exit code. */
function onTerminal(parameters: readonly string[]): string[] {
  const quoted = [process.execPath, MAIN, ...parameters].map((each) => `'${each}'`).join(' ')
  return ['script', '--quiet', '--return', '--command', `stty rows 40 cols 120; exec ${quoted}`, '/dev/null']
}
