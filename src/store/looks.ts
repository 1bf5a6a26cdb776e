import type { Knex } from 'knex'
import { LOOKS_KEPT, type Look } from '../domain/look.ts'

/** SQL: the looks of a table with one more, a jsonb; the oldest goes when there are enough. */
export function withLook(table: string, look: string): string {
  const full = `jsonb_array_length(${table}.looks) >= ${LOOKS_KEPT}`
  return `CASE WHEN ${full} THEN ${table}.looks - 0 ELSE coalesce(${table}.looks, '[]') END || ${look}`
}

/** For an update of `transaction_history` by the query builder. */
export function addedLook(db: Knex, look: Look): Knex.Raw {
  const stored = { look: JSON.stringify(toStoredLook(look)) }
  return db.raw(withLook('transaction_history', 'CAST(:look AS jsonb)'), stored)
}

/** As it is stored: what is null is left out. */
export type StoredLook = Pick<Look, 'at' | 'saw' | 'outcome'> & Partial<Look>

export function toStoredLook(look: Look): StoredLook {
  const kept = Object.entries(look).filter(
    ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
  )
  return Object.fromEntries(kept) as StoredLook
}

const NOTHING: Omit<Look, 'at' | 'saw' | 'outcome'> = {
  nodes: [],
  headNumber: null,
  blockNumber: null,
  reason: null,
  delayMs: null,
  error: null,
}

export function toLook(stored: StoredLook): Look {
  return { ...NOTHING, ...stored }
}
