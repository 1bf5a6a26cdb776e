import type { Knex } from 'knex'
import { prepared } from './statement.ts'

/**
 * How far the feed has come: `numbered` is its newest event, `announced` the newest that the exchange has taken,
 * `pruned` the newest that is gone.
 */
type EventCursor = 'numbered' | 'announced' | 'pruned'

/** Never back. */
export async function markPruned(trx: Knex.Transaction, sequence: number): Promise<void> {
  await prepared(
    trx,
    'confirmd-mark-pruned-1',
    `UPDATE event_cursors SET sequence = greatest(sequence, :sequence), updated_at = now() WHERE name = 'pruned'`,
    { sequence },
  )
}

export async function readCursors(db: Knex): Promise<Readonly<Record<EventCursor, number>>> {
  const rows = await prepared<Record<EventCursor, string>>(
    db,
    'confirmd-cursors-1',
    `SELECT max(sequence) FILTER (WHERE name = 'numbered') AS numbered,
            max(sequence) FILTER (WHERE name = 'announced') AS announced,
            max(sequence) FILTER (WHERE name = 'pruned') AS pruned
       FROM event_cursors`,
    {},
  )
  const { numbered, announced, pruned } = rows[0] ?? {}
  return { numbered: Number(numbered ?? 0), announced: Number(announced ?? 0), pruned: Number(pruned ?? 0) }
}
