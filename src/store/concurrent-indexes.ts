import type { Knex } from 'knex'
import { qualified } from './schema.ts'
import { raw } from './statement.ts'

/**
 * Builds and drops indexes while their table is read and written. Each call may be repeated: what an interrupted one left
 * behind is found and done again.
 */
export interface ConcurrentIndexes {
  /**
   * @param name without the schema
   * @param sql the whole statement, `CREATE [UNIQUE] INDEX CONCURRENTLY name ON :schema:.table …`
   */
  create(name: string, sql: string): Promise<void>
  drop(name: string): Promise<void>
}

/**
 * There is no lock timeout: the lock that these statements wait for stops no read or write behind it, and they wait for
 * every older transaction as well, a back-up of hours among them.
 */
export function concurrentIndexes(db: Knex): ConcurrentIndexes {
  async function drop(name: string): Promise<void> {
    await db.raw('DROP INDEX CONCURRENTLY IF EXISTS ??', [qualified(db, name)])
  }
  return {
    create: async (name, sql) => {
      const { rows } = await db.raw<{ rows: { valid: boolean }[] }>(
        'SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass(?)',
        [qualified(db, name)],
      )
      if (rows[0]?.valid) return
      // An interrupted build leaves an index that is written to and never read.
      if (rows[0]) await drop(name)
      await raw(db, sql)
    },
    drop,
  }
}
