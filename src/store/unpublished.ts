import type { Knex } from 'knex'
import { raw } from './statement.ts'

/**
 * Makes pending rows whose check could not be published overdue, so that the next sweep publishes it. A row
 * that is not due has moved on meanwhile: another copy of its check was handled, and its next look has a message.
 */
export async function markUnpublished(db: Knex, ids: readonly string[], graceMs: number): Promise<void> {
  await raw(
    db,
    `UPDATE :schema:.transaction_history
        SET next_check_at = LEAST(next_check_at, clock_timestamp() - (:graceMs + 1) * interval '1 millisecond')
      WHERE id IN (
        SELECT id FROM :schema:.transaction_history
         WHERE id = ANY(:ids) AND status = 'pending' AND parked_at IS NULL
           AND next_check_at <= clock_timestamp()
         ORDER BY id
           FOR NO KEY UPDATE)`,
    { ids: [...ids], graceMs },
  )
}
