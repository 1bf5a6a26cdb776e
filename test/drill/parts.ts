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
import { type RabbitmqCluster, startRabbitmqCluster } from '../support/rabbitmq-cluster.ts'
import { createDrillChain, type DrillChain } from './chain.ts'
import type { DrillContext } from './drill.ts'
import { type DrillNode, startDrillNode } from './node.ts'

/** The real parts around the processes of a drill; without a broker where the table is the queue. */
export interface Parts<Broker extends PrivateRabbitmq | null = PrivateRabbitmq> {
  /** A folder that goes away with the drill. */
  readonly folder: string
  readonly postgres: DrillPostgres
  readonly db: Knex
  readonly rabbitmq: Broker
  readonly chain: DrillChain
  readonly nodes: readonly DrillNode[]
  /** The first node, for drills that have only one. */
  readonly node: DrillNode
  /** Settings of the processes. */
  readonly environment: Readonly<Record<string, string>>
  readonly delaysMs: readonly number[]
}

export type DrillPostgres = Pick<EmbeddedPostgres, 'url' | 'whileStopped'>

export type PartsOfEitherQueue = Parts<PrivateRabbitmq | null>

export interface PartsOptions extends NodesOptions {
  readonly settings?: Readonly<Record<string, string>>
  /** A PostgreSQL that the drill has started itself; an embedded one of its own if left out. */
  readonly postgres?: DrillPostgres
  /** The program that brings the schema at first; this build if left out. */
  readonly migrateWith?: string
}

export interface NodesOptions {
  /** Number of nodes; one if left out. */
  readonly nodes?: number
  /** Where among the nodes one of another chain stands; none if left out. */
  readonly strangerAt?: number
  /** Transactions of which all nodes show the opposite outcome; none if left out. */
  readonly contrary?: (txHash: string) => boolean
}

/** The chain that nodes show. */
export interface ShownChain {
  readonly chain: DrillChain
  readonly chainId: number
  /** Begins the name of each node. */
  readonly nodeName: string
}

/**
 * Whether RPC_URLS names each node's provider, as in `north=http://127.0.0.1:1`. Without labels all nodes of this
 * machine are of one provider.
 */
const LABELLED = true
const PROVIDERS = ['north', 'east', 'south']

/** For drills that are about the queue: nothing else settles what it would have lost. */
export const QUEUE_ALONE = { FOLLOW_BLOCKS: 'off' }

/** Several servers that start on a machine with other work to do: a minute was too short. */
const CLUSTER_START_TIMEOUT_MS = 600_000

/** The processes of a drill have more connections than the default allows. */
export const POSTGRES_SETTINGS = ['max_connections=200']

export const CHAIN_ID = 8217
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
  const folder = await openFolder(context)
  return startOthers(context, options, folder, await startRabbitmq(context, folder))
}

/** The same for a drill that runs on either queue: RabbitMQ only where it is the queue. */
export async function startPartsOfEitherQueue(
  context: DrillContext,
  options: PartsOptions = {},
): Promise<PartsOfEitherQueue> {
  const folder = await openFolder(context)
  const rabbitmq = context.queue === 'rabbitmq' ? await startRabbitmq(context, folder) : null
  return startOthers(context, options, folder, rabbitmq)
}

export interface PartsWithCluster extends Parts {
  readonly cluster: RabbitmqCluster
}

/** The same with a cluster of RabbitMQ, all nodes of which the processes are told. */
export async function startPartsWithCluster(
  context: DrillContext,
  options: PartsOptions & { readonly brokers: number },
): Promise<PartsWithCluster> {
  const folder = await openFolder(context)
  const starting = startRabbitmqCluster(await rabbitmqServer(), folder, options.brokers, {
    startTimeoutMs: CLUSTER_START_TIMEOUT_MS,
  })
  const cluster = await held(context, 'RabbitMQ cluster', starting)
  const settings = { ...options.settings, AMQP_URL: cluster.url }
  const parts = await startOthers(context, { ...options, settings }, folder, cluster.nodes[0])
  return { ...parts, cluster }
}

async function openFolder({ lifecycle }: DrillContext): Promise<string> {
  const folder = await createTemporaryFolder()
  lifecycle.add('temporary folder', folder.remove)
  return folder.path
}

async function startPostgres(context: DrillContext, folder: string): Promise<EmbeddedPostgres> {
  return held(context, 'PostgreSQL', startEmbeddedPostgres({ folder, settings: POSTGRES_SETTINGS }))
}

async function startRabbitmq(context: DrillContext, folder: string): Promise<PrivateRabbitmq> {
  return held(context, 'RabbitMQ', startPrivateRabbitmq(await rabbitmqServer(), folder))
}

async function rabbitmqServer(): Promise<string> {
  const serverPath = await findRabbitmqServer()
  if (!serverPath) throw new Error('the drills need RabbitMQ: install rabbitmq-server')
  return serverPath
}

/** Ends with the drill, also with one that is interrupted while this still starts, in the folder that goes away then. */
function held<T extends { stop(): Promise<void> }>(
  { lifecycle }: DrillContext,
  name: string,
  starting: Promise<T>,
): Promise<T> {
  lifecycle.add(name, () =>
    starting.then(
      (started) => started.stop(),
      () => undefined,
    ),
  )
  return starting
}

async function startOthers<Broker extends PrivateRabbitmq | null>(
  context: DrillContext,
  options: PartsOptions,
  folder: string,
  rabbitmq: Broker,
): Promise<Parts<Broker>> {
  const { lifecycle, quick, sweepOff } = context
  const postgres = options.postgres ?? (await startPostgres(context, folder))
  const db = openDatabase({ url: postgres.url, poolMax: 4, applicationName: 'drill' })
  lifecycle.add('database', () => db.destroy())
  await migrate(postgres.url, options.migrateWith)
  await createOrderTables(db)
  await db.raw('CREATE INDEX ON orders (transaction_id)')

  const chain = createDrillChain()
  const nodes = await startNodes(context, { chain, chainId: CHAIN_ID, nodeName: 'node' }, options)
  const settings: Record<string, string> = {
    ...(quick ? QUICK_SETTINGS : FULL_SETTINGS),
    ...options.settings,
    ...(sweepOff ? { SWEEP_INTERVAL_MS: NEVER_MS } : {}),
  }
  const environment = {
    NODE_ENV: 'production',
    DATABASE_URL: postgres.url,
    // An empty value counts as unset, and overrides one of the shell.
    AMQP_URL: rabbitmq?.url ?? '',
    RPC_URLS: rpcUrlsOf(nodes),
    RPC_TIMEOUT_MS: '1000',
    CHAIN_ID: String(CHAIN_ID),
    HANDLERS: ORDER_HANDLERS,
    LOG_LEVEL: 'info',
    ...settings,
  }
  const node = nodes[0]
  if (!node) throw new Error('a drill needs a node')
  const delaysMs = (settings['RETRY_DELAYS_MS'] ?? '').split(',').map(Number)
  return { folder, postgres, db, rabbitmq, chain, nodes, node, environment, delaysMs }
}

/** With the command that an operator uses. */
export async function migrate(databaseUrl: string, main = 'dist/main.js'): Promise<void> {
  const env = { ...process.env, DATABASE_URL: databaseUrl }
  await promisify(execFile)(process.execPath, [main, 'migrate'], { env })
}

/** The nodes as RPC_URLS takes them, `first` as the most preferred one and the others after it in their order. */
export function rpcUrlsOf(nodes: readonly DrillNode[], first = 0): string {
  const urls = nodes.map(({ url }, index) => (LABELLED ? `${PROVIDERS[index] ?? index}=${url}` : url))
  return [...urls.slice(first), ...urls.slice(0, first)].join(',')
}

/** They end with the drill. */
export async function startNodes(
  { lifecycle, random }: Pick<DrillContext, 'lifecycle' | 'random'>,
  { chain, chainId, nodeName }: ShownChain,
  { nodes: count = 1, strangerAt, contrary = () => false }: NodesOptions = {},
): Promise<DrillNode[]> {
  const nodes: DrillNode[] = []
  for (let index = 0; index < count; index++) {
    const isStranger = index === strangerAt
    const name = `${nodeName} ${index}`
    const node = await startDrillNode({
      chain,
      random: random(name),
      chainId: isStranger ? STRANGER_CHAIN_ID : chainId,
      contrary: isStranger ? () => true : contrary,
    })
    lifecycle.add(name, node.stop)
    nodes.push(node)
  }
  return nodes
}
