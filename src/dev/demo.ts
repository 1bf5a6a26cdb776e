import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createLifecycle } from '../lifecycle.ts'
import { openDatabase } from '../store/database.ts'
import { migrate } from '../store/migrations.ts'
import { raw } from '../store/statement.ts'
import {
  type DemoRow,
  type Heard,
  judge,
  judgeHeard,
  renderHeard,
  renderRows,
  type Sent,
} from './demo-report.ts'
import { createDemoSender } from './demo-sender.ts'
import { startDevelopmentChain } from './development-chain.ts'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { hearAtWebhook, hearInStream, hearOnExchange } from './hearers.ts'
import { findRabbitmqServer, startPrivateRabbitmq } from './private-rabbitmq.ts'
import { startRole } from './role-process.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

/** The main job on real parts, seen: `npm run demo [-- --keep]`. */
const CHAIN_ID = 8217
const TRANSFERS = 20
const REVERTS = 5
const NEVER_SENT = 3
const WORKERS = 2
const VERDICT_TIMEOUT_MS = 60_000
/** Short, so that the transactions that were never sent stall while one watches. */
const RETRY_SETTINGS = { RETRY_DELAYS_MS: '1000,2000', RETRY_LIMIT: '4' }

const { values: options } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })
const terminal = process.stdout.isTTY === true
const lifecycle = createLifecycle((name, error) => say(`could not release ${name}: ${String(error)}`))
process.once('SIGINT', () => void end(130))
process.once('SIGTERM', () => void end(143))

try {
  const passed = await demo()
  if (!options.keep) await end(passed ? 0 : 1)
} catch (error) {
  say(String((error as Error).stack))
  await end(1)
}

async function demo(): Promise<boolean> {
  const { databaseUrl, amqpUrl, rpcUrl } = await startParts()
  const db = openDatabase({ url: databaseUrl, poolMax: 2, applicationName: 'confirmd demo' })
  lifecycle.add('database', () => db.destroy())
  await migrate(databaseUrl)
  await db.raw(
    'CREATE TABLE orders (transaction_id uuid NOT NULL, tx_hash text NOT NULL, item text NOT NULL)',
  )

  const environment = {
    DATABASE_URL: databaseUrl,
    RPC_URLS: rpcUrl,
    CHAIN_ID: String(CHAIN_ID),
    HANDLERS: fileURLToPath(new URL('demo-handlers.js', import.meta.url)),
    ...RETRY_SETTINGS,
    ...(amqpUrl ? { AMQP_URL: amqpUrl } : {}),
  }
  const api = await startRole('api', environment)
  lifecycle.add('api', async () => void (await api.stop()))
  for (let count = 0; count < WORKERS; count++) {
    const worker = await startRole('worker', environment)
    lifecycle.add('worker', async () => void (await worker.stop()))
  }
  say(`the API at ${api.url} and ${WORKERS} workers run as processes of their own`)

  const heard = await startHearing(api.url, amqpUrl)

  const sender = await createDemoSender(rpcUrl, CHAIN_ID)
  lifecycle.add('sender', sender.close)
  const sent: Sent[] = []
  for (let count = 0; count < TRANSFERS; count++) await register('confirmed', await sender.transfer())
  for (let count = 0; count < REVERTS; count++) await register('failed', await sender.revert())
  for (let count = 0; count < NEVER_SENT; count++) {
    await register('stalled', `0x${randomBytes(32).toString('hex')}`)
  }
  say(
    `${sent.length} transactions registered over HTTP: ${TRANSFERS} transfers, ${REVERTS} reverts, ${NEVER_SENT} never sent`,
  )

  async function register(expected: Sent['expected'], txHash: string): Promise<void> {
    const body = { txHash, kind: 'order', payload: { item: `item ${sent.length + 1}` } }
    const response = await fetch(`${api.url}/v1/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.status !== 202)
      throw new Error(`the API answered ${response.status}: ${await response.text()}`)
    sent.push({ txHash, expected })
  }

  async function readRows(): Promise<DemoRow[]> {
    const { rows } = await raw<{ rows: DemoRow[] }>(
      db,
      `
      SELECT tx_hash, status, failure_name, retry_count, block_number, settled_at,
             (SELECT count(*)::int FROM orders WHERE orders.tx_hash = transaction_history.tx_hash) AS orders
        FROM :schema:.transaction_history ORDER BY id`,
    )
    return rows
  }

  const deadline = Date.now() + VERDICT_TIMEOUT_MS
  let rows = await readRows()
  while (rows.some(({ status }) => status === 'pending') && Date.now() < deadline) {
    progress(rows)
    await new Promise((resolve) => setTimeout(resolve, 250))
    rows = await readRows()
  }
  progress(rows)
  if (terminal) say('')
  say(await renderRows(rows, rpcUrl))
  while (!judgeHeard(rows, heard).passed && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  say(renderHeard(rows, heard))
  const checks = [...judge(sent, rows), judgeHeard(rows, heard)]
  for (const { passed, text } of checks) say(`${passed ? 'ok    ' : 'FAILED'} ${text}`)
  const passed = checks.every((check) => check.passed)
  if (options.keep) say(`still serving at ${api.url} (docs at ${api.url}/docs); end with Ctrl-C`)
  return passed
}

/** Those who wait for outcomes: another service, a webhook's receiver, a reader of the feed. */
async function startHearing(apiUrl: string, amqpUrl: string | null): Promise<Heard> {
  const heard: Heard = new Map()
  const remember = (way: string) => {
    const events = new Map<string, string>()
    heard.set(way, events)
    return ({ id, data }: { id: string; data: { txHash: string } }) => void events.set(data.txHash, id)
  }
  if (amqpUrl) await hearOnExchange(lifecycle, { amqpUrl }, remember('exchange TX.E.EVENTS'))
  await hearAtWebhook(lifecycle, { apiUrl }, remember('webhook'))
  await hearInStream(lifecycle, { apiUrl }, remember('feed'))
  return heard
}

async function startParts(): Promise<{ databaseUrl: string; amqpUrl: string | null; rpcUrl: string }> {
  const folder = await createTemporaryFolder()
  lifecycle.add('temporary folder', folder.remove)
  const postgres = await startEmbeddedPostgres({ folder: folder.path })
  lifecycle.add('PostgreSQL', postgres.stop)
  say(`PostgreSQL: embedded, at 127.0.0.1:${postgres.port}`)
  const chain = await startDevelopmentChain({ chainId: CHAIN_ID })
  lifecycle.add('chain', chain.stop)
  say(`chain: anvil, blocks of 1 s, at ${chain.url}`)
  const serverPath = await findRabbitmqServer()
  if (!serverPath) {
    say('queue: the table, since no rabbitmq-server is installed here')
    return { databaseUrl: postgres.url, amqpUrl: null, rpcUrl: chain.url }
  }
  const rabbitmq = await startPrivateRabbitmq(serverPath, folder.path)
  lifecycle.add('RabbitMQ', rabbitmq.stop)
  say(`queue: a private RabbitMQ started from ${serverPath}`)
  return { databaseUrl: postgres.url, amqpUrl: rabbitmq.url, rpcUrl: chain.url }
}

function progress(rows: readonly DemoRow[]): void {
  if (!terminal) return
  const settled = rows.filter(({ status }) => status !== 'pending').length
  process.stdout.write(
    `\r${'█'.repeat(settled)}${'░'.repeat(rows.length - settled)} ${settled}/${rows.length} `,
  )
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function end(exitCode: number): Promise<never> {
  await lifecycle.releaseAll()
  process.exit(exitCode)
}
