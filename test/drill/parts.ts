import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import {
  findRabbitmqServer,
  type PrivateRabbitmq,
  startPrivateRabbitmq,
} from '../../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { openDatabase } from '../../src/store/database.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { createDrillChain, type DrillChain } from './chain.ts'
import type { DrillContext } from './drill.ts'
import { type DrillNode, startDrillNode } from './node.ts'

/** The real parts around the processes of a drill. */
export interface Parts {
  /** A folder that goes away with the drill. */
  readonly folder: string
  readonly postgres: EmbeddedPostgres
  readonly db: Knex
  readonly rabbitmq: PrivateRabbitmq
  readonly chain: DrillChain
  readonly nodes: readonly DrillNode[]
  /** The first node, for drills that have only one. */
  readonly node: DrillNode
  /** Settings of the processes. */
  readonly environment: Readonly<Record<string, string>>
  readonly delaysMs: readonly number[]
}

export interface PartsOptions {
  readonly settings?: Readonly<Record<string, string>>
  /** Where among three nodes one of another chain stands; a single right node if left out. */
  readonly strangerAt?: number
  /** The program that brings the schema at first; this build if left out. */
  readonly migrateWith?: string
}

/** For drills that are about the queue: nothing else settles what it would have lost. */
export const QUEUE_ALONE = { FOLLOW_BLOCKS: 'off' }

const CHAIN_ID = 8217
const STRANGER_CHAIN_ID = 1
/** A timer of Node takes no more. */
const NEVER_MS = String(2 ** 31 - 1)

/** The defaults of the product, where they are not named here. */
const FULL_SETTINGS = { RETRY_DELAYS_MS: '1000,2000,5000', STALLED_CHECK_INTERVAL_MS: '10000' }
const QUICK_SETTINGS = {
  RETRY_DELAYS_MS: '300,700,1500',
  RETRY_LIMIT: '5',
  STALLED_CHECK_INTERVAL_MS: '2000',
  SWEEP_INTERVAL_MS: '1000',
  SWEEP_GRACE_MS: '4000',
}

/** Starts PostgreSQL, RabbitMQ and the chain; they end with the drill. */
export async function startParts(context: DrillContext, options: PartsOptions = {}): Promise<Parts> {
  const { lifecycle, quick, sweepOff } = context
  const folder = await createTemporaryFolder()
  lifecycle.add('temporary folder', folder.remove)
  const postgres = await startEmbeddedPostgres({ folder: folder.path, settings: ['max_connections=200'] })
  lifecycle.add('PostgreSQL', postgres.stop)
  const serverPath = await findRabbitmqServer()
  if (!serverPath) throw new Error('the drills need RabbitMQ: install rabbitmq-server')
  const rabbitmq = await startPrivateRabbitmq(serverPath, folder.path)
  lifecycle.add('RabbitMQ', rabbitmq.stop)

  const db = openDatabase({ url: postgres.url, poolMax: 4, applicationName: 'drill' })
  lifecycle.add('database', () => db.destroy())
  await migrate(postgres.url, options.migrateWith)
  await createOrderTables(db)
  await db.raw('CREATE INDEX ON orders (tx_hash)')

  const chain = createDrillChain()
  const nodes = await startNodes(context, chain, options.strangerAt)
  const settings: Record<string, string> = {
    ...(quick ? QUICK_SETTINGS : FULL_SETTINGS),
    ...options.settings,
    ...(sweepOff ? { SWEEP_INTERVAL_MS: NEVER_MS } : {}),
  }
  const environment = {
    NODE_ENV: 'production',
    DATABASE_URL: postgres.url,
    AMQP_URL: rabbitmq.url,
    // Each a provider of its own: without labels all of 127.0.0.1 would be one witness.
    RPC_URLS: nodes.map(({ url }, index) => `node-${index}=${url}`).join(','),
    RPC_TIMEOUT_MS: '1000',
    CHAIN_ID: String(CHAIN_ID),
    HANDLERS: ORDER_HANDLERS,
    LOG_LEVEL: 'info',
    ...settings,
  }
  const node = nodes[0]
  if (!node) throw new Error('a drill needs a node')
  const delaysMs = (settings['RETRY_DELAYS_MS'] ?? '').split(',').map(Number)
  return { folder: folder.path, postgres, db, rabbitmq, chain, nodes, node, environment, delaysMs }
}

/** With the command that an operator uses. */
export async function migrate(databaseUrl: string, main = 'dist/main.js'): Promise<void> {
  const env = { ...process.env, DATABASE_URL: databaseUrl }
  await promisify(execFile)(process.execPath, [main, 'migrate'], { env })
}

async function startNodes(
  { lifecycle, random }: DrillContext,
  chain: DrillChain,
  strangerAt: number | undefined,
): Promise<DrillNode[]> {
  const nodes: DrillNode[] = []
  const count = strangerAt === undefined ? 1 : 3
  for (let index = 0; index < count; index++) {
    const isStranger = index === strangerAt
    const node = await startDrillNode({
      chain,
      random: random(`node ${index}`),
      chainId: isStranger ? STRANGER_CHAIN_ID : CHAIN_ID,
      contrary: isStranger,
    })
    lifecycle.add(`node ${index}`, node.stop)
    nodes.push(node)
  }
  return nodes
}
