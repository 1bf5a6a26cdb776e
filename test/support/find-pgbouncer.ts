import { access, constants } from 'node:fs/promises'

const PATHS = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer']

/** The path of an installed PgBouncer, or null. */
export async function findPgbouncer(): Promise<string | null> {
  for (const path of PATHS) {
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return null
}
