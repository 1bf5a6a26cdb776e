import pg from 'pg'
import { createPublicClient, http } from 'viem'
import { type Registration, serveRegistrations } from './registrations.ts'

/** A backend that awaits viem's waitForTransactionReceipt for each transaction, and then updates the row. */
const POLLING_INTERVAL_MS = 1_000
const TIMEOUT_MS = 300_000

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 })
const client = createPublicClient({
  transport: http(process.env['RPC_URL'], { retryCount: 5 }),
  pollingInterval: POLLING_INTERVAL_MS,
})

async function register({ txHash, kind, payload }: Registration): Promise<void> {
  await pool.query('INSERT INTO history (tx_hash, kind, payload) VALUES ($1, $2, $3)', [
    txHash,
    kind,
    JSON.stringify(payload),
  ])
  void settle(txHash)
}

async function settle(txHash: string): Promise<void> {
  const hash = txHash as `0x${string}`
  const receipt = await client.waitForTransactionReceipt({ hash, timeout: TIMEOUT_MS })
  await pool.query(
    `UPDATE history SET is_confirmed = $2, receipt = $3, settled_at = clock_timestamp() WHERE tx_hash = $1`,
    [
      txHash,
      receipt.status === 'success',
      JSON.stringify(receipt, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)),
    ],
  )
}

await serveRegistrations(register)
