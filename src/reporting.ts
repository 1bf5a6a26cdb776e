import { hostname } from 'node:os'
import type { ProcessState } from './domain/process.ts'
import { type Report, startReport } from './flows/report.ts'
import type { Role, RunContext } from './runnable.ts'
import type { Store } from './store/store.ts'
import { packageVersion } from './version.ts'

export interface ReportingProcess {
  /** UUID, new at each start. */
  readonly processId: string
  readonly role: Role
}

/** Has this process tell the others what it does, until it stops. */
export function startReporting(
  { processId: id, role }: ReportingProcess,
  { log, lifecycle }: RunContext,
  store: Store,
  readState: () => Promise<ProcessState>,
): Report {
  const report = startReport({
    store,
    process: {
      id,
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
