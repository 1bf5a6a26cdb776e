import type { Knex } from 'knex'
import { EPOCH_SIZE, type Epoch } from '../domain/epoch.ts'
import { qualified } from './schema.ts'
import { prepared, raw } from './statement.ts'

/**
 * What tells this database from those that it was copied from or that are copied from it: another cluster has another
 * system identifier, a restored or promoted one another timeline, a copy within the cluster another database, a restored
 * dump another table.
 */
const IDENTITY_COLUMNS = 'system_identifier, timeline, database_oid, outbox_oid'
const IDENTITY = `
  SELECT system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline, d.oid AS database_oid,
         ':schema:.outbox'::regclass::oid AS outbox_oid
    FROM pg_control_system(), pg_database AS d WHERE d.datname = current_database()`

/** Whether events may be numbered in the open epoch; for a statement that numbers them. */
export const IN_OWN_EPOCH = `EXISTS (
  SELECT 1 FROM :schema:.feed_epochs AS e WHERE e.last_sequence IS NULL AND (${IDENTITY_COLUMNS}) IN (${IDENTITY}))`

/**
 * A new epoch begins its numbers at a place of its own. Of two databases that are restored from the same state and both
 * begin an epoch of one number, their events have other numbers all the same.
 */
const PLACES = 100_000
const PLACE_SIZE = 1_000_000

/** Begins an epoch if the open one is of another database; resolves with it, or null if somebody was faster. */
export async function beginEpoch(db: Knex, random: () => number = Math.random): Promise<Epoch | null> {
  return db.transaction(async (trx) => {
    const [numbered] = await trx(qualified(trx, 'event_cursors'))
      .where({ name: 'numbered' })
      .forUpdate()
      .select('sequence')
    const [own] = await prepared<{ is_own: boolean; newest: number }>(
      trx,
      'confirmd-own-epoch-1',
      `SELECT ${IN_OWN_EPOCH} AS is_own, (SELECT max(epoch) FROM :schema:.feed_epochs) AS newest`,
      {},
    )
    if (!numbered || !own || own.is_own) return null
    const epoch = own.newest + 1
    const firstSequence = epoch * EPOCH_SIZE + Math.floor(random() * PLACES) * PLACE_SIZE + 1
    await trx(qualified(trx, 'feed_epochs'))
      .whereNull('last_sequence')
      .update({ last_sequence: numbered.sequence })
    await raw(
      trx,
      `INSERT INTO :schema:.feed_epochs (epoch, first_sequence, ${IDENTITY_COLUMNS})
       SELECT :epoch, :firstSequence, own.* FROM (${IDENTITY}) AS own`,
      { epoch, firstSequence },
    )
    await trx(qualified(trx, 'event_cursors'))
      .where({ name: 'numbered' })
      .update({ sequence: firstSequence - 1, updated_at: trx.fn.now() })
    return { epoch, firstSequence, lastSequence: firstSequence - 1 }
  })
}

/** Makes the open epoch that of this database, as only a copy may that nobody has read or will read. */
export async function adoptEpoch(db: Knex): Promise<void> {
  await raw(
    db,
    `UPDATE :schema:.feed_epochs SET (${IDENTITY_COLUMNS}) = (${IDENTITY}) WHERE last_sequence IS NULL`,
  )
}

/** All epochs, the oldest first. */
export async function readEpochs(db: Knex): Promise<Epoch[]> {
  const rows = await prepared<{ epoch: number; first: string; last: string }>(
    db,
    'confirmd-epochs-1',
    `SELECT epoch, first_sequence AS first,
            coalesce(last_sequence, (SELECT sequence FROM :schema:.event_cursors WHERE name = 'numbered')) AS last
       FROM :schema:.feed_epochs ORDER BY epoch`,
    {},
  )
  return rows.map(({ epoch, first, last }) => ({
    epoch,
    firstSequence: Number(first),
    lastSequence: Number(last),
  }))
}
