import type { Knex } from 'knex'
import type { ProcessReport, ProcessState, SeenProcess } from '../domain/process.ts'
import { qualified } from './schema.ts'
import { prepared } from './statement.ts'

/** What is not heard of for so long is gone. */
const GONE_AFTER = "interval '30 seconds'"

/** Notes what a process says of itself, and forgets those that say nothing any more. */
export async function reportProcess(db: Knex, report: ProcessReport): Promise<void> {
  const { id, role, host, pid, version, startedAt, state } = report
  await prepared(
    db,
    'confirmd-report-process-1',
    `WITH gone AS (DELETE FROM :schema:.processes WHERE seen_at < now() - ${GONE_AFTER} AND id <> CAST(:id AS uuid))
     INSERT INTO :schema:.processes (id, role, host, pid, version, started_at, seen_at, state)
     VALUES (:id, :role, :host, :pid, :version, :startedAt, now(), CAST(:state AS jsonb))
     ON CONFLICT (id) DO UPDATE SET seen_at = now(), state = excluded.state`,
    { id, role, host, pid, version, startedAt, state: JSON.stringify(state) },
  )
}

/** A write that shows that this process can write. */
export async function touchProcess(db: Knex, id: string): Promise<void> {
  await prepared(
    db,
    'confirmd-touch-process-1',
    'UPDATE :schema:.processes SET seen_at = now() WHERE id = CAST(:id AS uuid)',
    { id },
  )
}

export async function forgetProcess(db: Knex, id: string): Promise<void> {
  await db(qualified(db, 'processes')).where({ id }).delete()
}

interface ProcessRow {
  readonly id: string
  readonly role: SeenProcess['role']
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly started_at: Date
  readonly seen_at: Date
  readonly state: ProcessState
}

/** Those that were heard of lately, the oldest first. */
export async function listProcesses(db: Knex): Promise<SeenProcess[]> {
  const rows = await prepared<ProcessRow>(
    db,
    'confirmd-list-processes-2',
    `SELECT id, role, host, pid, version, started_at, seen_at, state FROM :schema:.processes WHERE seen_at >= now() - ${GONE_AFTER} ORDER BY started_at, id`,
    {},
  )
  return rows.map(({ started_at: startedAt, seen_at: seenAt, ...row }) => ({ ...row, startedAt, seenAt }))
}
