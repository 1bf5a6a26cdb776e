import type { Knex } from 'knex'
import { readStandbys } from '../store/standbys.ts'
import { type Finding, ok, warn } from './doctor-finding.ts'
import { counted } from './output.ts'

const CHECK = 'standbys'
/** With these a commit is answered before a standby has it. */
const WAITS_FOR_NO_STANDBY = ['off', 'local']

/** Whether what was answered with 202 or committed with a verdict is lost when a standby is promoted. */
export async function checkStandbys(db: Knex): Promise<Finding> {
  const report = await readStandbys(db)
  const { streaming, hidden, user, synchronousStandbyNames, synchronousCommit } = report
  const settings = `synchronous_standby_names = '${synchronousStandbyNames}', synchronous_commit = ${synchronousCommit}`
  if (streaming.length + hidden === 0) return ok(CHECK, 'none streams from this database')
  const waits = synchronousStandbyNames !== '' && !WAITS_FOR_NO_STANDBY.includes(synchronousCommit)
  if (waits) return ok(CHECK, `each commit waits for a standby (${settings})`)
  const toSet =
    synchronousStandbyNames === ''
      ? "set synchronous_standby_names on the primary, such as 'ANY 1 (*)', with one standby more than it waits for"
      : `set synchronous_commit = on for ${user}`
  if (streaming.length > 0) {
    return warn(
      CHECK,
      `${streaming.join(', ')}: no commit waits for a standby (${settings}), so that a failover loses what was committed last`,
      toSet,
    )
  }
  return warn(
    CHECK,
    `${counted(hidden, 'connection')} may be of a standby, for which no commit waits (${settings}); ${user} may not see what they are`,
    `GRANT pg_monitor TO ${user}, and run doctor again; if it is a standby, ${toSet}`,
  )
}
