import type { Knex } from 'knex'
import { prepared } from './statement.ts'

/** A kind that a process of this database handles or handled. */
export interface HandledKind {
  readonly kind: string
  /** Since a process that handles it was last heard of. */
  readonly idleMs: number
}

/** Notes that a process handles these kinds; it outlives the process. */
export async function noteHandledKinds(db: Knex, chain: string, kinds: readonly string[]): Promise<void> {
  if (kinds.length === 0) return
  await prepared(
    db,
    'confirmd-note-kinds-1',
    `INSERT INTO :schema:.handled_kinds (kind, chain)
     SELECT DISTINCT unnest(CAST(:kinds AS text[])), :chain ORDER BY 1
     ON CONFLICT (kind, chain) DO UPDATE SET last_seen_at = now()`,
    { chain, kinds: [...kinds] },
  )
}

export async function listHandledKinds(db: Knex, chain: string): Promise<HandledKind[]> {
  const rows = await prepared<{ kind: string; idle_ms: number }>(
    db,
    'confirmd-list-kinds-1',
    `SELECT kind, (extract(epoch FROM now() - last_seen_at) * 1000)::float8 AS idle_ms
       FROM :schema:.handled_kinds WHERE chain = :chain ORDER BY kind`,
    { chain },
  )
  return rows.map(({ kind, idle_ms }) => ({ kind, idleMs: idle_ms }))
}

/**
 * Takes up again what was set aside because nobody handled its kind; resolves with how many that were. They become due
 * longer ago than any grace, so that the next sweep publishes their checks.
 */
export async function unparkHandled(
  db: Knex,
  { chain, kinds, limit }: { chain: string; kinds: readonly string[]; limit: number },
): Promise<number> {
  if (kinds.length === 0) return 0
  const rows = await prepared<{ id: string }>(
    db,
    'confirmd-unpark-kinds-1',
    `UPDATE :schema:.transaction_history
        SET parked_at = NULL, park_code = NULL, last_error = NULL, next_check_at = now() - interval '1 day', updated_at = now()
      WHERE id IN (
        SELECT id FROM :schema:.transaction_history
         WHERE parked_at IS NOT NULL AND park_code = 'no-handler' AND chain = :chain
           AND kind = ANY(CAST(:kinds AS text[]))
         LIMIT :limit
           FOR NO KEY UPDATE SKIP LOCKED)
     RETURNING id`,
    { chain, kinds: [...kinds], limit },
  )
  return rows.length
}
