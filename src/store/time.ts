import type { Knex } from 'knex'

/** A time from now, by the database's clock. */
export function inMs(db: Knex, delayMs: number): Knex.Raw {
  return db.raw(`clock_timestamp() + :delayMs * interval '1 millisecond'`, { delayMs })
}
