import { connect } from 'amqplib'
import pg from 'pg'
import { request } from 'undici'
import { type Registration, serveRegistrations } from './registrations.ts'

/**
 * The design that confirmd comes from: a row and a message at the moment of sending; a consumer with a prefetch of 1
 * that looks the transaction up, updates the row and acks, or waits 5 s on a TTL queue with one retry more.
 */
const WAIT_MS = 5_000
const RETRY_LIMIT = 3
const PREFIX = `ORIGINAL${process.pid}`
const [EXCHANGE, WAITING] = [`${PREFIX}.E.DIRECT`, `${PREFIX}.E.WAITING`]
const [QUEUE, WAIT_QUEUE] = [`${PREFIX}.Q.CONFIRM_CHECK`, `${PREFIX}.Q.WAIT_CONFIRM_CHECK`]
const KEY = 'TX'

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 })
const connection = await connect(process.env['AMQP_URL'] ?? '')
const publishing = await connection.createConfirmChannel()
const consuming = await connection.createChannel()

await publishing.assertExchange(EXCHANGE, 'direct', { durable: true })
await publishing.assertExchange(WAITING, 'direct', { durable: true })
await publishing.assertQueue(QUEUE, { durable: true })
await publishing.assertQueue(WAIT_QUEUE, {
  durable: true,
  messageTtl: WAIT_MS,
  deadLetterExchange: EXCHANGE,
  deadLetterRoutingKey: KEY,
})
await publishing.bindQueue(QUEUE, EXCHANGE, KEY)
await publishing.bindQueue(WAIT_QUEUE, WAITING, KEY)

function publish(exchange: string, message: object): Promise<void> {
  const content = Buffer.from(JSON.stringify(message))
  return new Promise((resolve, reject) => {
    publishing.publish(exchange, KEY, content, { persistent: true }, (error: unknown) => {
      if (error) reject(error instanceof Error ? error : new Error('the broker refused the message'))
      else resolve()
    })
  })
}

async function register({ txHash, kind, payload }: Registration): Promise<void> {
  await pool.query('INSERT INTO history (tx_hash, kind, payload) VALUES ($1, $2, $3)', [
    txHash,
    kind,
    JSON.stringify(payload),
  ])
  await publish(EXCHANGE, { txHash, retry_count: 0 })
}

async function readReceipt(txHash: string): Promise<{ status: string } | null> {
  const { body } = await request(process.env['RPC_URL'] ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'klay_getTransactionReceipt', params: [txHash] }),
  })
  return ((await body.json()) as { result: { status: string } | null }).result
}

async function check({
  txHash,
  retry_count: retryCount,
}: {
  txHash: string
  retry_count: number
}): Promise<void> {
  const receipt = await readReceipt(txHash)
  if (receipt?.status === '0x1') {
    await pool.query(
      'UPDATE history SET is_confirmed = true, receipt = $2, settled_at = clock_timestamp() WHERE tx_hash = $1',
      [txHash, JSON.stringify(receipt)],
    )
  } else if (retryCount < RETRY_LIMIT) {
    await publish(WAITING, { txHash, retry_count: retryCount + 1 })
  }
}

await consuming.prefetch(1)
await consuming.consume(QUEUE, (message) => {
  if (!message) return
  void check(JSON.parse(message.content.toString()) as { txHash: string; retry_count: number }).then(() =>
    consuming.ack(message),
  )
})
await serveRegistrations(register)
