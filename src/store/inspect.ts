import type { Knex } from 'knex'
import { schemaOf } from './schema.ts'

/** What a database is, and what we may do there. */
export interface DatabaseReport {
  readonly version: string
  /** Such as 150004. */
  readonly versionNumber: number
  /** A standby: nothing can be written. */
  readonly isReadOnly: boolean
  /** Tables of confirmd with what this user may not do there, such as `outbox (DELETE)`. */
  readonly lacking: readonly string[]
  /** Whether this user may use the schema of the tables, if it is there. */
  readonly mayUse: boolean
  /** Whether this user could migrate. */
  readonly mayCreate: boolean
  /** How far the database's clock is ahead of ours, in ms, give or take half of the answer's time. */
  readonly clockAheadMs: number
}

const TABLES = [
  ...['transaction_history', 'outbox', 'chain_cursors', 'event_cursors', 'webhooks', 'webhook_deliveries'],
  ...['webhook_attempts', 'processes', 'activity', 'handled_kinds', 'chains', 'feed_epochs'],
]

/** Tables that are not there are left out: they are the migrations' matter. */
export async function inspectDatabase(db: Knex): Promise<DatabaseReport> {
  const { rows } = await db.raw<{
    rows: { version: string; number: number; read_only: boolean; may_create: boolean; may_use: boolean }[]
  }>(
    `
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only,
           CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
                ELSE has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE') END AS may_create,
           coalesce(has_schema_privilege(n.oid, 'USAGE'), true) AS may_use
      FROM (SELECT to_regnamespace(:schema)::oid AS oid) AS n`,
    { schema: schemaOf(db) },
  )
  const [row] = rows
  if (!row) throw new Error('the database gave no answer')
  return {
    version: row.version,
    versionNumber: row.number,
    isReadOnly: row.read_only,
    mayUse: row.may_use,
    lacking: row.may_use ? await lackingPrivileges(db) : [`schema ${schemaOf(db)} (USAGE)`],
    mayCreate: row.may_create,
    clockAheadMs: await clockAhead(db),
  }
}

async function lackingPrivileges(db: Knex): Promise<readonly string[]> {
  const { rows } = await db.raw<{ rows: { lacking: string }[] }>(
    `SELECT name || ' (' || string_agg(privilege, ', ' ORDER BY privilege) || ')' AS lacking
       FROM unnest(CAST(:tables AS text[])) AS name,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
      WHERE has_table_privilege(to_regclass(:prefix || name), privilege) = false
      GROUP BY name ORDER BY name`,
    { tables: TABLES, prefix: `${schemaOf(db)}.` },
  )
  return rows.map(({ lacking }) => lacking)
}

/** Its time compared with the middle of the asking. */
async function clockAhead(db: Knex): Promise<number> {
  const startedMs = Date.now()
  const { rows } = await db.raw<{ rows: { now: Date }[] }>('SELECT clock_timestamp() AS now')
  const middleMs = (startedMs + Date.now()) / 2
  return Math.round((rows[0]?.now.getTime() ?? middleMs) - middleMs)
}
