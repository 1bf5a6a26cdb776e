import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
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

export interface LeashedOptions {
  readonly command: string
  readonly parameters: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** What asks the command to end in good order. */
  readonly stopSignal: NodeJS.Signals
  readonly workingDirectory?: string
  /** Told of each piece of what it prints to standard output. */
  readonly onOutput?: (text: string) => void
  /** Run as this user; only root may. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

export function startLeashed(options: LeashedOptions): Leashed {
  const { command, parameters, environment, stopSignal, workingDirectory, onOutput, user } = options
  const child: ChildProcess = spawn(process.execPath, [LEASH, stopSignal, command, ...parameters], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    detached: true,
    ...(workingDirectory ? { cwd: workingDirectory } : {}),
    ...user,
  })
  let kept = ''
  const keep = (chunk: Buffer | string) => {
    kept = (kept + chunk.toString()).slice(-OUTPUT_KEPT_CHARS)
  }
  child.stdout?.on('data', keep)
  if (onOutput) child.stdout?.setEncoding('utf8').on('data', onOutput)
  child.stderr?.on('data', keep)
  child.stdin?.on('error', () => undefined)
  const ended = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : 1))
  return {
    output: () => kept.trim(),
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
    if (!process.isRunning()) throw new Error(`${what} ended at its start:\n${process.output()}`)
    if (Date.now() > deadline) {
      await process.stop()
      throw new Error(`${what} was not ready within ${timeoutMs} ms:\n${process.output()}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
