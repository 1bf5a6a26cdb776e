import type { Knex } from 'knex'
import { v7 as uuidv7 } from 'uuid'
import type { Registration } from '../domain/registration.ts'
import type { Transaction } from '../domain/transaction.ts'
import { type TransactionRow, toTransaction } from './transaction-row.ts'

/** `recorded`: a new row. `known`: it was there with the same content. `conflict`: with other content. */
export interface Recorded {
  readonly outcome: 'recorded' | 'known' | 'conflict'
  readonly transaction: Transaction
}

/**
 * Records a transaction as pending, due at once. The unique key on (chain, tx_hash) decides between
 * concurrent registrations, so exactly one of them is `recorded`.
 */
export async function record(db: Knex, registration: Registration): Promise<Recorded> {
  const content = {
    chain: registration.chain,
    tx_hash: registration.txHash,
    kind: registration.kind,
    payload: JSON.stringify(registration.payload),
    sender: registration.sender,
    nonce: registration.nonce,
  }
  for (;;) {
    const inserted = await insert(db, { ...content, correlation_id: registration.correlationId })
    if (inserted) return { outcome: 'recorded', transaction: toTransaction(inserted) }
    const known = await findKnown(db, content)
    if (known) {
      const outcome = known.same_content ? 'known' : 'conflict'
      return { outcome, transaction: toTransaction(known) }
    }
    // Removed between the two statements: the insert can succeed now.
  }
}

type Content = Record<string, string | number | null>

async function insert(db: Knex, content: Content): Promise<TransactionRow | undefined> {
  const { rows } = await db.raw<{ rows: TransactionRow[] }>(
    `INSERT INTO transaction_history (id, chain, tx_hash, kind, payload, sender, nonce, correlation_id)
     VALUES (:id, :chain, :tx_hash, :kind, CAST(:payload AS jsonb), :sender, :nonce, :correlation_id)
     ON CONFLICT (chain, tx_hash) DO NOTHING
     RETURNING *`,
    { id: uuidv7(), ...content },
  )
  return rows[0]
}

async function findKnown(
  db: Knex,
  content: Content,
): Promise<(TransactionRow & { same_content: boolean }) | undefined> {
  const { rows } = await db.raw<{ rows: (TransactionRow & { same_content: boolean })[] }>(
    `SELECT *,
            kind = :kind
              AND payload = CAST(:payload AS jsonb)
              AND sender IS NOT DISTINCT FROM CAST(:sender AS text)
              AND nonce IS NOT DISTINCT FROM CAST(:nonce AS bigint) AS same_content
       FROM transaction_history
      WHERE chain = :chain AND tx_hash = :tx_hash`,
    content,
  )
  return rows[0]
}
