import type { Knex } from 'knex'
import { countOpen, countUnsent, countWebhooks } from './counts.ts'
import type { ExchangeOfChain } from './event-cursors.ts'
import { prepared } from './statement.ts'

/** What the metrics show of the database, all of it from indexes. */
export async function readGauges(
  db: Knex,
  chain: string,
  exchange: ExchangeOfChain | null,
): Promise<{
  openTransactions: Readonly<Record<string, number>>
  oldestPendingAgeSeconds: number
  unsentEvents: Readonly<Record<string, number>>
  oldestUnsentEventAgeSeconds: Readonly<Record<string, number>>
  webhooks: Readonly<Record<string, number>>
  followedBlockNumber: number | null
}> {
  const [openTransactions, unsentEvents, webhooks, [ages]] = await Promise.all([
    countOpen(db, chain),
    countUnsent(db, exchange),
    countWebhooks(db),
    prepared<Ages>(db, 'confirmd-gauges-3', AGES, { chain, prefix: exchange?.prefix ?? '' }),
  ])
  const { oldest_pending, oldest_unannounced, oldest_undelivered, followed } = ages ?? {}
  return {
    openTransactions,
    oldestPendingAgeSeconds: Number(oldest_pending ?? 0),
    unsentEvents: { ...unsentEvents },
    oldestUnsentEventAgeSeconds: {
      webhooks: Number(oldest_undelivered ?? 0),
      ...(exchange ? { exchange: Number(oldest_unannounced ?? 0) } : {}),
    },
    webhooks: { ...webhooks },
    followedBlockNumber: followed ? Number(followed) : null,
  }
}

interface Ages {
  readonly oldest_pending: string | null
  readonly oldest_unannounced: string | null
  readonly oldest_undelivered: string | null
  readonly followed: string | null
}

/**
 * From partial indexes, which hold little. `ORDER BY id LIMIT 1` was tried for the oldest: it was planned as a walk
 * through the primary key, past all that is settled, to the first that is pending.
 */
const AGES = `
  SELECT
    (SELECT extract(epoch FROM now() - min(created_at)) FROM :schema:.transaction_history
      WHERE chain = :chain AND status = 'pending' AND parked_at IS NULL) AS oldest_pending,
    extract(epoch FROM now() - least(
      (SELECT min(created_at) FROM :schema:.outbox WHERE sequence IS NULL AND chain = :chain),
      (SELECT created_at FROM :schema:.outbox
        WHERE chain = :chain AND sequence > (
          SELECT sequence FROM :schema:.event_cursors WHERE name = 'announced' AND prefix = :prefix AND chain = :chain)
        ORDER BY sequence LIMIT 1))) AS oldest_unannounced,
    (SELECT extract(epoch FROM now() - min(d.created_at))
       FROM :schema:.webhook_deliveries AS d JOIN :schema:.webhooks AS w ON w.id = d.webhook_id
      WHERE d.status = 'pending' AND w.enabled) AS oldest_undelivered,
    (SELECT block_number FROM :schema:.chain_cursors WHERE chain = :chain) AS followed`
