import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pg from 'pg'

/** Any number, the same in every process of the example: one signs at a time. */
const SIGNING_LOCK = 20261121
/** Without a verdict; an expired or stalled one may still get it. */
const SIGNED_AND_OPEN = "('minting', 'stalled', 'expired')"

/** All SQL of the example but the business writes. */
export async function openOrders(databaseUrl) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 5 })
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => undefined)

  /** Holds the lock until its end. */
  async function inTransaction(work) {
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await client.query('SELECT pg_advisory_xact_lock($1)', [SIGNING_LOCK])
      const result = await work(client)
      await client.query('COMMIT')
      client.release()
      return result
    } catch (error) {
      // Ends the connection, and with it the transaction, whatever became of it.
      client.release(error)
      throw error
    }
  }

  await inTransaction((client) => client.query(readFileSync(new URL('schema.sql', import.meta.url), 'utf8')))

  return {
    /** The order of this click, a new one or the one that it has already made. */
    place: async ({ requestKey, attempt, recipient }) => {
      await pool.query(
        `INSERT INTO orders (id, request_key, attempt, recipient) VALUES ($1, $2, $3, $4)
         ON CONFLICT (request_key) DO NOTHING`,
        [randomUUID(), requestKey, attempt, recipient],
      )
      const { rows } = await pool.query('SELECT * FROM orders WHERE request_key = $1', [requestKey])
      return rows[0]
    },

    read: async (id) => (await pool.query('SELECT * FROM orders WHERE id = $1', [id])).rows[0],

    newest: async () => (await pool.query('SELECT * FROM orders ORDER BY created_at DESC, id LIMIT 50')).rows,

    /**
     * Stores the hash, the nonce and what is to be sent, all that `sign(order, unsentNonce)` returns, in one transaction.
     * `unsentNonce` is the sender's highest one that is signed but may be unknown to the node yet, or null.
     */
    sign: (id, sender, sign) =>
      inTransaction(async (client) => {
        const { rows } = await client.query('SELECT * FROM orders WHERE id = $1', [id])
        if (rows[0].state !== 'new') return rows[0]
        const unsent = await client.query(
          `SELECT max(nonce) AS nonce FROM orders
            WHERE sender = $1 AND sent_at IS NULL AND state IN ${SIGNED_AND_OPEN}`,
          [sender],
        )
        const unsentNonce = unsent.rows[0].nonce === null ? null : Number(unsent.rows[0].nonce)
        const { txHash, nonce, rawTransactions } = await sign(rows[0], unsentNonce)
        const signed = await client.query(
          `UPDATE orders SET state = 'minting', tx_hash = $2, sender = $3, nonce = $4, raw_transactions = $5
            WHERE id = $1 RETURNING *`,
          [id, txHash, nonce === null ? null : sender, nonce, rawTransactions],
        )
        return signed.rows[0]
      }),

    registered: (id, transactionId) =>
      pool.query('UPDATE orders SET transaction_id = $2, problem = NULL WHERE id = $1', [id, transactionId]),

    sent: (id) =>
      pool.query('UPDATE orders SET sent_at = now(), problem = NULL WHERE id = $1 AND sent_at IS NULL', [id]),

    hasProblem: (id, problem) => pool.query('UPDATE orders SET problem = $2 WHERE id = $1', [id, problem]),

    /**
     * What confirmd says of a transaction beside its verdicts, which the handlers write. An order that has its verdict
     * keeps it, however late this comes.
     */
    note: (txHash, status) =>
      pool.query(
        `UPDATE orders SET state = $2
          WHERE tx_hash = $1 AND state IN ${SIGNED_AND_OPEN}
            AND $2 IN ('stalled', 'replaced', 'expired')`,
        [txHash, status],
      ),

    /** The ids of those that are not sent and registered yet; of all without a verdict if `isAll`. */
    open: async ({ isAll }) => {
      const { rows } = await pool.query(
        `SELECT id FROM orders
          WHERE (state = 'new' OR state IN ${SIGNED_AND_OPEN})
            AND ($1 OR transaction_id IS NULL OR sent_at IS NULL)
          ORDER BY nonce NULLS LAST, created_at`,
        [isAll],
      )
      return rows.map(({ id }) => id)
    },

    setting: async (name) =>
      (await pool.query('SELECT value FROM nft_mint_settings WHERE name = $1', [name])).rows[0]?.value,

    set: (name, value) =>
      pool.query(
        `INSERT INTO nft_mint_settings (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value`,
        [name, value],
      ),
  }
}
