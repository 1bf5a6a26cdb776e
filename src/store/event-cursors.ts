import type { Knex } from 'knex'
import { prepared } from './statement.ts'

/** How far the feed of a chain has come. */
export interface FeedCursors {
  /** Its newest event, of whatever chain. */
  readonly numbered: number
  /** The newest event of the chain that is gone. */
  readonly pruned: number
}

/** An exchange is told of the events of a chain under a prefix of its own. */
export interface ExchangeOfChain {
  readonly prefix: string
  readonly chain: string
}

/** Never back. */
export async function markPruned(trx: Knex.Transaction, chain: string, sequence: number): Promise<void> {
  await prepared(
    trx,
    'confirmd-mark-pruned-2',
    `INSERT INTO :schema:.event_cursors AS c (name, chain, sequence) VALUES ('pruned', :chain, :sequence)
     ON CONFLICT (name, prefix, chain) DO UPDATE
        SET sequence = greatest(c.sequence, excluded.sequence), updated_at = now()`,
    { chain, sequence },
  )
}

export async function readCursors(db: Knex, chain: string): Promise<FeedCursors> {
  const rows = await prepared<Record<keyof FeedCursors, string>>(
    db,
    'confirmd-cursors-2',
    `SELECT max(sequence) FILTER (WHERE name = 'numbered') AS numbered,
            max(sequence) FILTER (WHERE name = 'pruned' AND chain IN ('', :chain)) AS pruned
       FROM :schema:.event_cursors`,
    { chain },
  )
  const { numbered, pruned } = rows[0] ?? {}
  return { numbered: Number(numbered ?? 0), pruned: Number(pruned ?? 0) }
}

/**
 * Makes sure that there is a mark of what an exchange was told of a chain. An exchange that comes later is not told of
 * the past: its mark is the newest event. The mark of version 0.1, which knew one exchange, is taken over.
 */
export async function provideAnnounced(db: Knex, { prefix, chain }: ExchangeOfChain): Promise<void> {
  await prepared(
    db,
    'confirmd-take-announced-1',
    `UPDATE :schema:.event_cursors SET prefix = :prefix, chain = :chain, updated_at = now()
      WHERE name = 'announced' AND prefix = '' AND chain = ''
        AND NOT EXISTS (
          SELECT 1 FROM :schema:.event_cursors WHERE name = 'announced' AND prefix = :prefix AND chain = :chain)`,
    { prefix, chain },
  )
  await prepared(
    db,
    'confirmd-provide-announced-1',
    `INSERT INTO :schema:.event_cursors (name, prefix, chain, sequence)
     SELECT 'announced', :prefix, :chain, sequence FROM :schema:.event_cursors WHERE name = 'numbered'
     ON CONFLICT (name, prefix, chain) DO NOTHING`,
    { prefix, chain },
  )
}

/** Has an exchange told of the events of a chain after this number, again or for the first time. */
export async function announceAgain(
  db: Knex,
  { prefix, chain }: ExchangeOfChain,
  after: number,
): Promise<void> {
  await provideAnnounced(db, { prefix, chain })
  await prepared(
    db,
    'confirmd-announce-again-1',
    // Without a holder: what a relay has under way says nothing of what is to come again.
    `UPDATE :schema:.event_cursors
        SET sequence = least(sequence, :after), holder = NULL, held_until = NULL, updated_at = now()
      WHERE name = 'announced' AND prefix = :prefix AND chain = :chain`,
    { prefix, chain, after },
  )
}
