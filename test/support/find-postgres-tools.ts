import { access, constants, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const DEBIAN = '/usr/lib/postgresql'
const NEEDED = ['initdb', 'postgres', 'psql', 'pg_dump', 'pg_restore', 'pg_basebackup']

/** The folder of an installed PostgreSQL with its server and its tools, which fit each other; null if there is none. */
export async function findPostgresTools(): Promise<string | null> {
  const versions = await readdir(DEBIAN).catch(() => [])
  for (const version of versions.sort((a, b) => Number(b) - Number(a))) {
    const folder = join(DEBIAN, version, 'bin')
    const found = await Promise.allSettled(NEEDED.map((name) => access(join(folder, name), constants.X_OK)))
    if (found.every(({ status }) => status === 'fulfilled')) return folder
  }
  return null
}
