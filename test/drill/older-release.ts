import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The release before this one, as long as there is no real one: the first commit with the schema of 0.2. */
const PREVIOUS_COMMIT = '1b2fe9c'

export interface OlderRelease {
  readonly commit: string
  /** Its program. */
  readonly main: string
}

/** Builds an older commit of this repository in the folder, with the packages that it had. */
export async function buildOlderRelease(folder: string, commit = PREVIOUS_COMMIT): Promise<OlderRelease> {
  const target = join(folder, `release-${commit}`)
  await mkdir(target)
  const archive = join(folder, `${commit}.tar`)
  await run('git', ['archive', '--output', archive, commit])
  await run('tar', ['-xf', archive, '-C', target])
  await run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: target })
  await run('npm', ['run', 'build'], { cwd: target })
  return { commit, main: join(target, 'dist/main.js') }
}
