import type { Knex } from 'knex'

/** Who receives what is committed here, and whether a commit waits for it. */
export interface StandbyReport {
  /** Names of the standbys that stream. */
  readonly streaming: readonly string[]
  /** Connections that replicate and may be standbys: this user may not see what they are. */
  readonly hidden: number
  readonly user: string
  readonly synchronousStandbyNames: string
  /** Of this user's sessions. */
  readonly synchronousCommit: string
}

/**
 * A standby says how far it has replayed; what only archives (pg_receivewal, a back-up) does not, and a logical
 * subscriber has a logical slot. Without the rights of pg_monitor all but the process id is null.
 */
export async function readStandbys(db: Knex): Promise<StandbyReport> {
  const { rows } = await db.raw<{
    rows: { streaming: string[]; hidden: number; user: string; names: string; commit: string }[]
  }>(`
    SELECT coalesce(array_agg(r.application_name ORDER BY r.application_name)
                      FILTER (WHERE r.state = 'streaming' AND r.replay_lsn IS NOT NULL), '{}') AS streaming,
           CAST(count(r.pid) FILTER (WHERE r.state IS NULL) AS int) AS hidden, current_user AS user,
           current_setting('synchronous_standby_names') AS names, current_setting('synchronous_commit') AS commit
      FROM (SELECT s.* FROM pg_stat_replication AS s
             WHERE NOT EXISTS (SELECT FROM pg_replication_slots AS l
                                WHERE l.active_pid = s.pid AND l.slot_type = 'logical')) AS r`)
  const [row] = rows
  if (!row) throw new Error('the database gave no answer')
  return {
    streaming: row.streaming,
    hidden: row.hidden,
    user: row.user,
    synchronousStandbyNames: row.names,
    synchronousCommit: row.commit,
  }
}
