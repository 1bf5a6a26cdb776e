import type { Knex } from 'knex'

/** What became of all the deliveries of one webhook. */
export interface WebhookRecord {
  readonly url: string
  /** Events that it wants. */
  readonly wanted: number
  /** Deliveries that were given up. */
  readonly failed: number
  readonly delivered: number
  /** Deliveries with every attempt that there may be. */
  readonly exhausted: number
  readonly attempts: number
  /** Attempts that were not made, because the target is not allowed. */
  readonly refused: number
  /** Attempts that met a redirect. */
  readonly redirected: number
  /** The texts of the others. */
  readonly otherErrors: readonly string[]
}

/** A record in words, for the text of a condition. */
export function describeRecord(record: WebhookRecord): string {
  const { url, wanted, failed, attempts, refused, redirected, otherErrors } = record
  const errors = otherErrors.length > 0 ? `, ${otherErrors.join(', ')}` : ''
  return `${url} ${failed} of ${wanted} given up, of ${attempts} attempts ${refused} refused and ${redirected} redirected${errors}`
}

/** Where the outbox ends now: what comes later is counted by `readWebhookRecords`. */
export async function lastPosition(db: Knex): Promise<string> {
  const { rows } = await db.raw<{ rows: { last: string }[] }>(
    'SELECT coalesce(max(position), 0) AS last FROM confirmd.outbox',
  )
  return rows[0]?.last ?? '0'
}

export async function readWebhookRecords(
  db: Knex,
  { after, fullAttempts }: { after: string; fullAttempts: number },
): Promise<WebhookRecord[]> {
  const { rows } = await db.raw<{ rows: WebhookRecord[] }>(
    `WITH attempt AS (
       SELECT delivery_id, coalesce(error, '') AS error,
              coalesce(error, '') LIKE 'the target is not allowed: %' AS is_refused,
              status_code BETWEEN 300 AND 399 AND error LIKE '%redirects are not followed' AS is_redirected
         FROM confirmd.webhook_attempts
     ), delivery AS (
       SELECT d.id, d.webhook_id, d.status, count(a.delivery_id)::int AS attempts,
              count(*) FILTER (WHERE a.is_refused)::int AS refused,
              count(*) FILTER (WHERE a.is_redirected)::int AS redirected,
              array_agg(DISTINCT a.error) FILTER (WHERE a.error <> '' AND NOT a.is_refused
                AND NOT coalesce(a.is_redirected, false)) AS errors
         FROM confirmd.webhook_deliveries AS d LEFT JOIN attempt AS a ON a.delivery_id = d.id
        GROUP BY d.id
     )
     SELECT w.url,
            (SELECT count(*)::int FROM confirmd.outbox AS o
              WHERE o.position > :after AND o.subject = 'transaction'
                AND (w.statuses IS NULL OR o.status = ANY(w.statuses))) AS wanted,
            count(*) FILTER (WHERE d.status = 'failed')::int AS failed,
            count(*) FILTER (WHERE d.status = 'delivered')::int AS delivered,
            count(*) FILTER (WHERE d.attempts = :fullAttempts)::int AS exhausted,
            coalesce(sum(d.attempts), 0)::int AS attempts,
            coalesce(sum(d.refused), 0)::int AS refused,
            coalesce(sum(d.redirected), 0)::int AS redirected,
            ARRAY(SELECT DISTINCT e FROM delivery AS of_it CROSS JOIN unnest(of_it.errors) AS e
                   WHERE of_it.webhook_id = w.id) AS "otherErrors"
       FROM confirmd.webhooks AS w LEFT JOIN delivery AS d ON d.webhook_id = w.id
      GROUP BY w.id ORDER BY w.url`,
    { after, fullAttempts },
  )
  return rows
}

/** Deliveries that are yet to be sent, of all webhooks but these; events without their place count too. */
export async function countUnsent(db: Knex, exceptUrls: readonly string[]): Promise<number> {
  const { rows } = await db.raw<{ rows: { unsent: number }[] }>(
    `SELECT (SELECT count(*) FROM confirmd.outbox WHERE sequence IS NULL)::int
          + (SELECT count(*) FROM confirmd.webhook_deliveries AS d JOIN confirmd.webhooks AS w ON w.id = d.webhook_id
              WHERE d.status = 'pending' AND w.url <> ALL(:exceptUrls))::int AS unsent`,
    { exceptUrls: [...exceptUrls] },
  )
  return rows[0]?.unsent ?? 0
}
