import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLeashed } from '../../src/dev/leashed.ts'
import type { Role } from '../../src/runnable.ts'

/** How a process ended that was started with wrong settings. */
export interface RefusedStart {
  /** Its exit code; null if it was still running after the limit. */
  readonly code: number | null
  /** The end of what it printed. */
  readonly output: string
}

const MAIN = resolve('dist/main.js')
const END_LIMIT_MS = 30_000

/** Starts a process that is expected to end by itself, and waits for its end; ends it after a while if it does not. */
export async function startRefused(
  role: Role,
  environment: Readonly<Record<string, string>>,
): Promise<RefusedStart> {
  const started = startLeashed({
    command: process.execPath,
    parameters: [MAIN, role],
    environment: { PORT: '0', ...environment },
    stopSignal: 'SIGTERM',
  })
  const waiting = new AbortController()
  const late = sleep(END_LIMIT_MS, null, { signal: waiting.signal }).catch(() => null)
  const code = await Promise.race([started.ended, late])
  waiting.abort()
  await started.stop()
  return { code, output: started.output() }
}
