import { lchown, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { SystemUser } from './leashed.ts'

/** Of Debian and most other systems; the user exists or not, the number is enough. */
const NOBODY: SystemUser = { uid: 65_534, gid: 65_534 }

/**
 * Whom PostgreSQL runs as, which refuses to run as root: undefined, ourselves; for root, whoever owns the folder of the
 * data, or else `nobody`. Throws where it belongs to somebody whom we can't be. `ourselves` is our user id; undefined
 * where the system has none.
 */
export async function choosePostgresUser(
  data: string,
  ourselves: number | undefined,
): Promise<SystemUser | undefined> {
  if (ourselves === undefined) return undefined
  const { uid, gid } = await stat(data)
  if (ourselves === 0) return uid === 0 ? NOBODY : { uid, gid }
  if (uid !== ourselves) {
    const by = uid === NOBODY.uid ? 'they were made by root' : 'they were made by that user'
    throw new Error(
      `the data of the embedded PostgreSQL in ${data} belong to user ${uid}, and this is user ${ourselves}: ${by}. ` +
        `Run as before, or take them over: sudo chown -R ${ourselves} ${dirname(data)}`,
    )
  }
  return undefined
}

/** Gives the data to the user where they belong to somebody else, such as root who copied them. */
export async function giveDataTo(user: SystemUser, data: string): Promise<void> {
  const owners = await Promise.all([data, join(data, 'PG_VERSION')].map((path) => stat(path)))
  if (owners.every(({ uid }) => uid === user.uid)) return
  for (const name of ['', ...(await readdir(data, { recursive: true }))]) {
    await lchown(join(data, name), user.uid, user.gid)
  }
}
