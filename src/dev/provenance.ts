import { execFile } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { promisify } from 'node:util'

/** The machine that a result was made on, in a line. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const memoryGb = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} × ${model}, ${memoryGb} GB, Node ${process.versions.node}, ${process.platform}`
}

/** The commit that a result was made of; with a `+` if files under these folders were changed. */
export async function describeCommit(...folders: string[]): Promise<string> {
  try {
    const run = promisify(execFile)
    const { stdout: commit } = await run('git', ['rev-parse', '--short', 'HEAD'])
    const { stdout: changes } = await run('git', ['status', '--porcelain', '--', ...folders])
    return `${commit.trim()}${changes === '' ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}
