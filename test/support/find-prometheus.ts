import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** The two programs, as Debian's package `prometheus` has them. */
export interface Prometheus {
  readonly server: string
  readonly promtool: string
}

/** Debian's own, or those on the PATH; null if there are none. */
export async function findPrometheus(): Promise<Prometheus | null> {
  for (const folder of ['/usr/bin/', '']) {
    const found = { server: `${folder}prometheus`, promtool: `${folder}promtool` }
    if ((await runs(found.server)) && (await runs(found.promtool))) return found
  }
  return null
}

function runs(command: string): Promise<boolean> {
  return promisify(execFile)(command, ['--version']).then(
    () => true,
    () => false,
  )
}
