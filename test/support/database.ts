import knex, { type Knex } from 'knex'
import { inject } from 'vitest'
import { openDatabase } from '../../src/store/database.ts'
import { adoptEpoch } from '../../src/store/epochs.ts'
import { databaseUrl } from './global-setup.ts'

/** A migrated database of its own for a test file. */
export interface TestDatabase {
  readonly name: string
  readonly url: string
  readonly db: Knex
  drop(): Promise<void>
}

let made = 0

export async function createTestDatabase(): Promise<TestDatabase> {
  const database = await createDatabase(inject('templateDatabase'))
  await adoptEpoch(database.db)
  return database
}

/** The same without any table. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return createDatabase('template0')
}

async function createDatabase(template: string): Promise<TestDatabase> {
  const serverUrl = inject('serverUrl')
  made += 1
  const name = `confirmd_test_${inject('runId')}_${process.pid}_${made}`
  await onServer(serverUrl, async (server) => {
    await server.raw('CREATE DATABASE ?? TEMPLATE ??', [name, template])
  })
  const url = databaseUrl(serverUrl, name)
  const db = openDatabase({ url, poolMax: 5, applicationName: 'test' })
  return {
    name,
    url,
    db,
    drop: async () => {
      await db.destroy()
      await onServer(serverUrl, async (server) => {
        await server.raw('DROP DATABASE ?? WITH (FORCE)', [name])
      })
    },
  }
}

async function onServer(serverUrl: string, work: (server: Knex) => Promise<void>): Promise<void> {
  const server = knex({ client: 'pg', connection: serverUrl, pool: { min: 0, max: 1 } })
  try {
    await work(server)
  } finally {
    await server.destroy()
  }
}
