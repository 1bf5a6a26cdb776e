import type { Knex } from 'knex'

/** The clock of a test database, for the sessions that are opened from now on. */
export interface SettableClock {
  /** Ahead of the machine's, or behind if negative; as a failover, or a step of NTP, would set it. */
  set(aheadMs: number): Promise<void>
}

/**
 * PostgreSQL has no clock to be set: functions of the same names are found before its own. CURRENT_TIMESTAMP, which knex
 * writes for `fn.now()`, is no function and stays as it is.
 */
export async function installSettableClock(db: Knex): Promise<SettableClock> {
  await db.raw('CREATE SCHEMA settable')
  await db.raw('CREATE TABLE settable.clock (ahead interval NOT NULL)')
  await db.raw(`INSERT INTO settable.clock VALUES ('0')`)
  for (const name of ['now', 'clock_timestamp']) {
    await db.raw(`CREATE FUNCTION settable.${name}() RETURNS timestamptz LANGUAGE sql VOLATILE
      AS 'SELECT pg_catalog.${name}() + ahead FROM settable.clock'`)
  }
  // A default keeps the function that it was made with.
  const { rows } = await db.raw<{
    rows: { table_schema: string; table_name: string; column_name: string }[]
  }>(
    `SELECT table_schema, table_name, column_name FROM information_schema.columns WHERE column_default = 'now()'`,
  )
  for (const { table_schema: schema, table_name: table, column_name: column } of rows) {
    await db.raw('ALTER TABLE ??.?? ALTER COLUMN ?? SET DEFAULT settable.now()', [schema, table, column])
  }
  await db.raw(`DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = public, settable, pg_catalog', current_database());
  END $$`)
  await db.destroy()
  db.initialize()
  return {
    set: async (aheadMs) => {
      await db.raw(`UPDATE settable.clock SET ahead = :aheadMs * interval '1 millisecond'`, { aheadMs })
    },
  }
}
