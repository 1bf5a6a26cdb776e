import { fileURLToPath } from 'node:url'
import type { Role } from '../runnable.ts'
import { type Leashed, startLeashed } from './leashed.ts'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const START_TIMEOUT_MS = 30_000

/** A line of a process's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly level: number }

/** A confirmd process of its own, as a user runs it. */
export interface RoleProcess {
  readonly url: string
  readonly pid: number
  readonly log: readonly LogLine[]
  isRunning(): boolean
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number>
  /** SIGKILL. */
  kill(): Promise<void>
  readonly ended: Promise<number>
}

export interface RoleOptions {
  readonly workingDirectory?: string
  /** The program, if it is not the build of this folder: another release. */
  readonly main?: string
  /** Which lines stay in `log`; all of them if left out. */
  readonly keepLine?: (line: LogLine) => boolean
}

/** Starts `confirmd <role>` and waits until it serves; rejects with its log if it does not. */
export async function startRole(
  role: Role,
  environment: Readonly<Record<string, string>>,
  { workingDirectory, main = MAIN, keepLine = () => true }: RoleOptions = {},
): Promise<RoleProcess> {
  const log: LogLine[] = []
  let rest = ''
  let served: (line: LogLine) => void = () => undefined
  const serving = new Promise<LogLine>((resolve) => {
    served = resolve
  })

  function read(text: string): void {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('{')) continue
      const parsed = JSON.parse(line) as LogLine
      if (keepLine(parsed)) log.push(parsed)
      if (typeof parsed['url'] === 'string') served(parsed)
    }
  }

  const started: Leashed = startLeashed({
    command: process.execPath,
    parameters: [main, role],
    environment: { PORT: '0', ...environment },
    stopSignal: 'SIGTERM',
    onOutput: read,
    ...(workingDirectory ? { workingDirectory } : {}),
  })
  const line = await servingLine(serving, started, role)
  const pid = Number(line['pid'])
  return {
    url: String(line['url']),
    pid,
    log,
    isRunning: started.isRunning,
    ended: started.ended,
    stop: async () => {
      await started.stop()
      return started.ended
    },
    kill: async () => {
      if (started.isRunning()) process.kill(pid, 'SIGKILL')
      await started.ended
    },
  }
}

async function servingLine(serving: Promise<LogLine>, started: Leashed, role: Role): Promise<LogLine> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`did not serve within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS)
  })
  const first = await Promise.race([serving, started.ended.then((code) => `ended with ${code}`), late])
  clearTimeout(timer)
  if (typeof first !== 'string') return first
  await started.stop()
  throw new Error(`confirmd ${role} ${first}:\n${started.output()}`)
}
