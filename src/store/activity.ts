import type { Knex } from 'knex'
import type { ActivityCount, Measure } from '../domain/activity.ts'
import { prepared } from './statement.ts'

/** In the order of the key: two processes that count the same wait for each other, and never in a circle. */
export async function addActivity(db: Knex, counts: readonly ActivityCount[]): Promise<void> {
  await prepared(
    db,
    'confirmd-add-activity-1',
    `INSERT INTO :schema:.activity AS a (minute, measure, label, count)
     SELECT minute, measure, label, count
       FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS given (minute timestamptz, measure text, label text, count bigint)
      ORDER BY minute, measure, label
     ON CONFLICT (minute, measure, label) DO UPDATE SET count = a.count + excluded.count`,
    { rows: JSON.stringify(counts) },
  )
}

/** What happened since the beginning of a minute. */
export async function readActivity(db: Knex, since: Date): Promise<ActivityCount[]> {
  const rows = await prepared<{ minute: Date; measure: Measure; label: string; count: string }>(
    db,
    'confirmd-read-activity-1',
    'SELECT minute, measure, label, count FROM :schema:.activity WHERE minute >= :since',
    { since },
  )
  return rows.map((row) => ({ ...row, count: Number(row.count) }))
}

export async function forgetActivity(db: Knex, before: Date): Promise<void> {
  await prepared(db, 'confirmd-forget-activity-1', 'DELETE FROM :schema:.activity WHERE minute < :before', {
    before,
  })
}
