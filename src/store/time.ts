import type { Knex } from 'knex'

/** A time from now, by the database's clock. */
export function inMs(db: Knex, delayMs: number): Knex.Raw {
  return db.raw(`clock_timestamp() + :delayMs * interval '1 millisecond'`, { delayMs })
}

/** A time as JSON has it: what `toISOString` makes of it, in SQL. */
export function isoTime(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}
