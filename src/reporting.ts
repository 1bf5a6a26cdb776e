import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { ProcessState } from './domain/process.ts'
import { type Report, startReport } from './flows/report.ts'
import type { Role, RunContext } from './runnable.ts'
import type { Store } from './store/store.ts'
import { packageVersion } from './version.ts'

/** Has this process tell the others what it does, until it stops. */
export function startReporting(
  role: Role,
  { log, lifecycle }: RunContext,
  store: Store,
  readState: () => Promise<ProcessState>,
): Report {
  const report = startReport({
    store,
    process: {
      id: randomUUID(),
      role,
      host: hostname(),
      pid: process.pid,
      version: packageVersion(),
      startedAt: new Date(),
    },
    readState,
    log,
    clock: () => new Date(),
  })
  lifecycle.add('report', report.stop)
  return report
}
