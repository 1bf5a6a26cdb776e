import { execFile } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The first commit that builds and runs: the release before this one, as long as there is no other. */
const FIRST_WORKING_COMMIT = '7243a4c'

export interface OlderRelease {
  readonly commit: string
  /** Its program. */
  readonly main: string
}

/** Builds an older commit of this repository in the folder, with the packages installed here. */
export async function buildOlderRelease(
  folder: string,
  commit = FIRST_WORKING_COMMIT,
): Promise<OlderRelease> {
  const target = join(folder, `release-${commit}`)
  await mkdir(target)
  const archive = join(folder, `${commit}.tar`)
  await run('git', ['archive', '--output', archive, commit])
  await run('tar', ['-xf', archive, '-C', target])
  await symlink(resolve('node_modules'), join(target, 'node_modules'))
  await run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', 'src'], { cwd: target })
  return { commit, main: join(target, 'dist/main.js') }
}
