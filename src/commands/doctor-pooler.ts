import { HOW_TO_GET_SESSIONS, readPooling, WHAT_NEEDS_SESSIONS } from '../store/pooling.ts'
import { type Finding, fail, ok, warn } from './doctor-finding.ts'

const CHECK = 'pooler'

/** What stands between here and PostgreSQL. Whether either can be reached is another check. */
export async function checkPooler(url: string): Promise<readonly Finding[]> {
  const pooling = await readPooling(url).catch(() => null)
  switch (pooling?.mode) {
    case 'session':
      return [
        ok(CHECK, 'a pooler stands in between, and each connection kept its session while others were taken'),
      ]
    case 'transaction':
      return [
        fail(
          CHECK,
          `a pooler in transaction mode stands in between, by which confirmd does not work: ${WHAT_NEEDS_SESSIONS}`,
          HOW_TO_GET_SESSIONS,
        ),
      ]
    case 'unknown':
      return [
        warn(
          CHECK,
          `a pooler stands in between, and it could not be seen whether it keeps sessions: ${pooling.reason}`,
          'see that its pool_mode is session, and that its pool has a session for each connection of confirmd',
        ),
      ]
    case 'none':
    case undefined:
      return []
  }
}
