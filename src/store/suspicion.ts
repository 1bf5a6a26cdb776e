import type { Knex } from 'knex'

/**
 * Notes that a check is about to be handled alone because workers died with it; a death leaves the note.
 * Returns how many notes there are now.
 */
export async function noteSuspicion(db: Knex, id: string): Promise<number> {
  const rows: { suspicions: number }[] = await db('transaction_history')
    .where({ id })
    .update({ suspicions: db.raw('suspicions + 1') })
    .returning('suspicions')
  return rows[0]?.suspicions ?? 0
}

/** The check was handled, and the worker lives. */
export async function clearSuspicion(db: Knex, id: string): Promise<void> {
  await db('transaction_history').where({ id }).where('suspicions', '>', 0).update({ suspicions: 0 })
}

/** Sets a pending row aside until a recheck. */
export async function park(db: Knex, id: string, reason: string): Promise<void> {
  await db('transaction_history').where({ id, status: 'pending', parked_at: null }).update({
    parked_at: db.fn.now(),
    last_error: reason,
    leased_until: null,
    lease_count: 0,
    updated_at: db.fn.now(),
  })
}
