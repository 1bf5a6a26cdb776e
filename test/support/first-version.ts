import { readFileSync } from 'node:fs'
import type { Knex } from 'knex'

/** A file of a system that version 0.1 left behind: its database with rows, or messages in its queue. */
export function leftBehind(name: 'database.sql' | 'messages.jsonl'): string {
  return readFileSync(new URL(`../fixtures/version-0.1/${name}`, import.meta.url), 'utf8')
}

/** Makes a database what version 0.1 left behind. */
export async function restoreFirstVersion(db: Knex): Promise<void> {
  await db.raw('DROP SCHEMA IF EXISTS confirmd CASCADE')
  await db.raw(leftBehind('database.sql'))
}
