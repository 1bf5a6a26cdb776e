import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const LEASH = fileURLToPath(new URL('../../dist/dev/leash.js', import.meta.url))
const OUTPUT_KEPT_CHARS = 8_000

/** A helper process that ends with us, even if we are killed. */
export interface Leashed {
  /** The end of what it printed, for error messages. */
  output(): string
  isRunning(): boolean
  /** Resolves with the exit code when it has ended; 1 if a signal ended it. */
  readonly ended: Promise<number>
  stop(): Promise<void>
}

/** What the process between us and the command is told. */
export interface LeashOptions {
  /** Asks the command to end in good order. */
  readonly stopSignal: NodeJS.Signals
  /** The command runs as this user; only root may choose one. Undefined: as we do. */
  readonly user?: SystemUser | undefined
  /** Files and folders that the command gets open, as descriptors 3, 4 and so on. */
  readonly descriptors: readonly string[]
}

export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

export interface LeashedOptions extends Partial<LeashOptions> {
  readonly stopSignal: NodeJS.Signals
  readonly command: string
  readonly parameters: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly workingDirectory?: string
  /** Told of each piece of what it prints to standard output. */
  readonly onOutput?: (text: string) => void
}

export function startLeashed(options: LeashedOptions): Leashed {
  const { command, parameters, environment, workingDirectory, onOutput } = options
  const { stopSignal, user, descriptors = [] } = options
  const leashOptions: LeashOptions = { stopSignal, user, descriptors }
  const leash = [LEASH, JSON.stringify(leashOptions)]
  const child: ChildProcess = spawn(process.execPath, [...leash, command, ...parameters], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    detached: true,
    ...(workingDirectory ? { cwd: workingDirectory } : {}),
  })
  let kept = ''
  const keep = (chunk: Buffer | string) => {
    kept = (kept + chunk.toString()).slice(-OUTPUT_KEPT_CHARS)
  }
  child.stdout?.on('data', keep)
  if (onOutput) child.stdout?.setEncoding('utf8').on('data', onOutput)
  child.stderr?.on('data', keep)
  child.stdin?.on('error', () => undefined)
  // Without this, a process that can't be started would end ours.
  child.on('error', (error) => keep(`${error.message}\n`))
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  return {
    output: () => kept.trim() || '(it printed nothing)',
    isRunning: () => child.exitCode === null && child.signalCode === null,
    ended,
    stop: async () => {
      child.stdin?.end()
      await ended
    },
  }
}

/** Polls until `ready` resolves; rejects with the process's output if it ends or the time is over. */
export async function untilReady(
  what: string,
  process: Leashed,
  ready: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await ready())) {
    if (!process.isRunning()) {
      throw new Error(
        `${what} ended at its start, with exit code ${await process.ended}:\n${process.output()}`,
      )
    }
    if (Date.now() > deadline) {
      await process.stop()
      throw new Error(`${what} was not ready within ${timeoutMs} ms:\n${process.output()}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
