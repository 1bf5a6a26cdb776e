import type { AmqpUrls } from './broker/hosts.ts'
import { nameEndpoints, type RpcEndpoint } from './chain/rpc-endpoint.ts'
import { UNKNOWN_KINDS, type UnknownKinds } from './domain/kind-role.ts'
import type { RetryDelaysMs } from './domain/schedule.ts'
import { type ApiKeyEntry, parseApiKeyEntries } from './http/api-key.ts'
import { findMisspelt, type Misspelling } from './misspelt-settings.ts'
import { readAmqpUrls } from './read-amqp-urls.ts'
import { list, matching, oneOf, type Setting, setting, urlOf, wholeNumber } from './setting.ts'
import { DEFAULT_SCHEMA, SCHEMA_NAME } from './store/schema-name.ts'

/** The settings of one process. Times are in ms. */
export interface Config {
  readonly production: boolean
  /** Null: an embedded PostgreSQL. */
  readonly databaseUrl: string | null
  readonly databasePoolMax: number
  /** The schema of all tables of confirmd. */
  readonly databaseSchema: string
  /** Null: the table is the queue. */
  readonly amqpUrls: AmqpUrls | null
  readonly amqpPrefix: string
  /** In order of preference. Null: a local development chain. */
  readonly rpcEndpoints: readonly RpcEndpoint[] | null
  /** Nodes that announce new heads. */
  readonly rpcWebSocketUrls: readonly string[]
  readonly rpcTimeoutMs: number
  readonly chain: string
  readonly chainId: number
  readonly finalityDepthBlocks: number
  readonly rpcMaxInFlight: number
  readonly rpcMaxBatchCalls: number
  readonly rpcMaxLagBlocks: number
  readonly rpcMaxHeadAgeMs: number
  /** Whether the worker follows the blocks too, and not only the queue. */
  readonly followBlocks: boolean
  readonly host: string
  /** Null: 8080 where the API is served, otherwise a free one. */
  readonly port: number | null
  /** Empty: only loopback is served. */
  readonly apiKeys: readonly ApiKeyEntry[]
  /** Requests of one key, or of one address where there are no keys. 0: no limit. */
  readonly rateLimitPerMinute: number
  /** Refused keys of one address. */
  readonly authFailureLimitPerMinute: number
  /** Requests that the API has in hand before it sheds. */
  readonly maxRequestsInFlight: number
  /** Requests that wait for an outcome or read the stream, at once. */
  readonly maxWaitingRequests: number
  readonly maxEventLoopDelayMs: number
  /** Null: a share of what the container or the machine has. */
  readonly maxMemoryMb: number | null
  readonly retryDelaysMs: RetryDelaysMs
  readonly retryLimit: number
  readonly expireAfterMs: number
  readonly stalledCheckIntervalMs: number
  readonly sweepIntervalMs: number
  readonly sweepGraceMs: number
  /** Path or package name of the module with the business writes. */
  readonly handlers: string | null
  readonly handlerRetryLimit: number
  readonly handlerTimeoutMs: number
  /** What becomes of a kind that nobody handles, where other kinds have handlers. */
  readonly unknownKinds: UnknownKinds
  readonly webhookTimeoutMs: number
  readonly webhookRetryDelaysMs: readonly number[]
  readonly webhookDisableAfterMs: number
  readonly workerPrefetch: number
  readonly shutdownTimeoutMs: number
  readonly logLevel: LogLevel
  /** Null: no spans. */
  readonly otlpEndpoint: string | null
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const HOUR_MS = 3_600_000
/** RabbitMQ's limit of a queue TTL, and Node's of a timer. */
const MAX_DELAY_MS = 2 ** 31 - 1
/** RabbitMQ takes a check back that was in hand for 30 minutes. */
const MAX_HANDLER_TIMEOUT_MS = 1_200_000
const MINUTE_MS = 60_000
const STANDARD_WEBHOOKS_RETRY_DELAYS_MS = [
  5_000,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  ...[2, 5, 10, 14, 20, 24].map((hours) => hours * HOUR_MS),
]
const SWEEP_GRACE_BEYOND_LONGEST_DELAY_MS = 60_000

const SETTINGS = {
  databaseUrl: setting({
    variable: 'DATABASE_URL',
    fallback: null,
    fallbackText: 'embedded PostgreSQL under `.confirmd/`',
    meaning: 'PostgreSQL that holds the transactions: `postgres://user:password@host:5432/name`',
    read: urlOf('postgres:', 'postgresql:'),
  }),
  databasePoolMax: setting({
    variable: 'DATABASE_POOL_MAX',
    fallback: '10',
    meaning: 'most connections of one process to the database',
    read: wholeNumber(1, 1_000),
  }),
  databaseSchema: setting({
    variable: 'DATABASE_SCHEMA',
    fallback: DEFAULT_SCHEMA,
    meaning: 'schema of all tables of confirmd; the search path is never set',
    read: matching(
      SCHEMA_NAME,
      'must be up to 63 lower-case letters, digits and _, beginning with a letter or _, and not with pg_',
    ),
  }),
  amqpUrls: setting({
    variable: 'AMQP_URL',
    fallback: null,
    fallbackText: 'the table is the queue',
    meaning:
      'RabbitMQ 3.10 or newer: `amqp://user:password@host:5672/vhost`; of a cluster the URLs of its hosts, separated by commas',
    read: readAmqpUrls,
  }),
  amqpPrefix: setting({
    variable: 'AMQP_PREFIX',
    fallback: 'TX',
    meaning: 'first part of the names of all exchanges and queues',
    read: matching(/^[A-Za-z0-9_-]{1,50}$/, 'must be up to 50 letters, digits, _ and -'),
  }),
  rpcEndpoints: setting({
    variable: 'RPC_URLS',
    fallback: null,
    fallbackText: 'local development chain',
    meaning:
      'JSON-RPC nodes of the chain, separated by commas, in order of preference. A label says who runs one, `alchemy=https://…`; without it, nodes of one domain count as one witness',
    read: readRpcEndpoints,
  }),
  rpcWebSocketUrls: setting({
    variable: 'RPC_WS_URLS',
    fallback: null,
    fallbackText: 'none',
    meaning:
      'nodes that announce new blocks over WebSocket, separated by commas: a hint when to ask `RPC_URLS`',
    read: (text) => list(text).map(urlOf('ws:', 'wss:')),
  }),
  rpcTimeoutMs: setting({
    variable: 'RPC_TIMEOUT_MS',
    fallback: '5000',
    meaning: 'limit of one call to a node',
    read: wholeNumber(1, 600_000),
  }),
  rpcMaxInFlight: setting({
    variable: 'RPC_MAX_IN_FLIGHT',
    fallback: '64',
    meaning: 'most calls of one process to one node at once',
    read: wholeNumber(1, 10_000),
  }),
  rpcMaxBatchCalls: setting({
    variable: 'RPC_MAX_BATCH_CALLS',
    fallback: '200',
    meaning: 'most calls in one request to a node; fewer where a node shows that it takes fewer',
    read: wholeNumber(1, 3_000),
  }),
  rpcMaxLagBlocks: setting({
    variable: 'RPC_MAX_LAG_BLOCKS',
    fallback: '5',
    meaning: 'a node further behind the best known head is not believed that there is no receipt',
    read: wholeNumber(0, 1_000_000),
  }),
  rpcMaxHeadAgeMs: setting({
    variable: 'RPC_MAX_HEAD_AGE_MS',
    fallback: '30000',
    meaning: 'the same for a node whose newest block is older, whatever the others show',
    read: wholeNumber(1, MAX_DELAY_MS),
  }),
  chain: setting({
    variable: 'CHAIN',
    fallback: 'kaia',
    meaning:
      'name of the chain, stored with each transaction; a database may hold several chains, each with processes of its own',
    read: matching(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be up to 32 lower-case letters, digits and -'),
  }),
  chainId: setting({
    variable: 'CHAIN_ID',
    fallback: '8217',
    meaning: 'chain id that a node must have; a node with another one is not used',
    read: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  }),
  finalityDepthBlocks: setting({
    variable: 'FINALITY_DEPTH_BLOCKS',
    fallback: '0',
    meaning: 'blocks that must follow a receipt before it is final; 0 where inclusion is final, as on Kaia',
    read: wholeNumber(0, 1_000_000),
  }),
  followBlocks: setting({
    variable: 'FOLLOW_BLOCKS',
    fallback: 'on',
    meaning: 'one worker of all follows the blocks, which is faster than the queue alone: on or off',
    read: (text) => oneOf(['on', 'off'])(text) === 'on',
  }),
  host: setting({
    variable: 'HOST',
    fallback: '127.0.0.1',
    meaning: 'address that the HTTP server listens on',
    read: matching(/^\S+$/, 'must be an address or a host name'),
  }),
  port: setting({
    variable: 'PORT',
    fallback: null,
    fallbackText: '8080; of `worker` any free one',
    meaning: 'port of the HTTP server; 0 takes a free one and logs it',
    read: wholeNumber(0, 65_535),
  }),
  apiKeys: setting({
    variable: 'API_KEYS',
    fallback: null,
    fallbackText: 'only loopback is served',
    meaning: 'keys of the API, separated by commas, as `confirmd key create` prints them: `name:sha256`',
    read: parseApiKeyEntries,
  }),
  rateLimitPerMinute: setting({
    variable: 'RATE_LIMIT_PER_MINUTE',
    fallback: '0',
    meaning: 'requests of one key (without keys, of one address) in a minute; 0 sets no limit',
    read: wholeNumber(0, 1_000_000_000),
  }),
  authFailureLimitPerMinute: setting({
    variable: 'AUTH_FAILURE_LIMIT_PER_MINUTE',
    fallback: '60',
    meaning: 'requests of one address without a valid key in a minute; from then on 429 instead of 401',
    read: wholeNumber(1, 1_000_000),
  }),
  maxRequestsInFlight: setting({
    variable: 'MAX_REQUESTS_IN_FLIGHT',
    fallback: '500',
    meaning: 'requests that the API works on at a time; the next one is answered 503 at once',
    read: wholeNumber(1, 100_000),
  }),
  maxWaitingRequests: setting({
    variable: 'MAX_WAITING_REQUESTS',
    fallback: '2000',
    meaning: 'requests that wait for an outcome or read the stream at a time; the next one is answered 503',
    read: wholeNumber(1, 100_000),
  }),
  maxEventLoopDelayMs: setting({
    variable: 'MAX_EVENT_LOOP_DELAY_MS',
    fallback: '1000',
    meaning: 'mean delay of the event loop, over 2 s, beyond which the API answers 503; 0: no limit',
    read: wholeNumber(0, 600_000),
  }),
  maxMemoryMb: setting({
    variable: 'MAX_MEMORY_MB',
    fallback: null,
    fallbackText: '90% of what the container or machine has',
    meaning: 'memory of the process, in MB, beyond which the API answers 503',
    read: wholeNumber(1, 16_777_216),
  }),
  retryDelaysMs: setting({
    variable: 'RETRY_DELAYS_MS',
    fallback: '1000,2000,5000',
    meaning: 'waits between the looks at a transaction, in ms; the last repeats',
    read: (text) => list(text).map(wholeNumber(1, MAX_DELAY_MS)) as unknown as RetryDelaysMs,
  }),
  retryLimit: setting({
    variable: 'RETRY_LIMIT',
    fallback: '10',
    meaning:
      'looks without a receipt after the first; then the transaction is stalled. A receipt that is not final yet counts for nothing',
    read: wholeNumber(0, 1_000_000),
  }),
  expireAfterMs: setting({
    variable: 'EXPIRE_AFTER_MS',
    fallback: String(24 * HOUR_MS),
    meaning: 'time after which a stalled transaction that is still absent expires',
    read: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  }),
  stalledCheckIntervalMs: setting({
    variable: 'STALLED_CHECK_INTERVAL_MS',
    fallback: '300000',
    meaning: 'time between the looks at a stalled transaction',
    read: wholeNumber(1, MAX_DELAY_MS),
  }),
  sweepIntervalMs: setting({
    variable: 'SWEEP_INTERVAL_MS',
    fallback: '5000',
    meaning: 'time between two searches for checks that were lost',
    read: wholeNumber(1, MAX_DELAY_MS),
  }),
  sweepGraceMs: setting({
    variable: 'SWEEP_GRACE_MS',
    fallback: null,
    fallbackText: 'longest delay + 60000',
    meaning: 'a check overdue by more than this counts as lost and is published again',
    read: wholeNumber(0, MAX_DELAY_MS),
  }),
  handlers: setting({
    variable: 'HANDLERS',
    fallback: null,
    fallbackText: 'none',
    meaning: 'module with the business writes: a path, or the name of an installed package',
    read: matching(/\S/, 'must not be blank'),
  }),
  handlerRetryLimit: setting({
    variable: 'HANDLER_RETRY_LIMIT',
    fallback: '20',
    meaning:
      'failed attempts to commit a verdict with its business write after which the transaction is parked',
    read: wholeNumber(1, 1_000_000),
  }),
  handlerTimeoutMs: setting({
    variable: 'HANDLER_TIMEOUT_MS',
    fallback: '20000',
    meaning: 'limit of one business write, at most 20 minutes',
    read: wholeNumber(1, MAX_HANDLER_TIMEOUT_MS),
  }),
  unknownKinds: setting({
    variable: 'UNKNOWN_KINDS',
    fallback: 'park',
    meaning:
      'what to do with a kind that no worker ever had a handler for, where other kinds have one: `park` its transactions until one appears, `settle` them without a write, or `refuse` their registration with 422',
    read: oneOf(UNKNOWN_KINDS),
  }),
  webhookTimeoutMs: setting({
    variable: 'WEBHOOK_TIMEOUT_MS',
    fallback: '15000',
    meaning: 'limit of one request to a webhook',
    read: wholeNumber(1, 600_000),
  }),
  webhookRetryDelaysMs: setting({
    variable: 'WEBHOOK_RETRY_DELAYS_MS',
    fallback: STANDARD_WEBHOOKS_RETRY_DELAYS_MS.join(','),
    meaning:
      'waits after each failed request to a webhook, as Standard Webhooks has them; then it is given up',
    read: (text) => list(text).map(wholeNumber(1, MAX_DELAY_MS)),
  }),
  webhookDisableAfterMs: setting({
    variable: 'WEBHOOK_DISABLE_AFTER_MS',
    fallback: String(5 * 24 * HOUR_MS),
    meaning: 'a webhook of which every request has failed for so long is switched off',
    read: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  }),
  workerPrefetch: setting({
    variable: 'WORKER_PREFETCH',
    fallback: '200',
    meaning: 'most checks that a worker has in hand',
    read: wholeNumber(1, 65_535),
  }),
  shutdownTimeoutMs: setting({
    variable: 'SHUTDOWN_TIMEOUT_MS',
    fallback: '25000',
    meaning: 'limit of a graceful stop',
    read: wholeNumber(0, MAX_DELAY_MS),
  }),
  logLevel: setting({
    variable: 'LOG_LEVEL',
    fallback: 'info',
    meaning: `one of ${LOG_LEVELS.join(', ')}`,
    read: oneOf(LOG_LEVELS),
  }),
  otlpEndpoint: setting({
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    fallback: null,
    fallbackText: 'none: no spans',
    meaning: 'where spans are sent by OTLP over HTTP; the other `OTEL_…` variables are heeded too',
    read: urlOf('http:', 'https:'),
  }),
}

const LABELLED = /^([a-z0-9][a-z0-9-]{0,31})=(.*)$/

/** URLs, each perhaps after a label and `=`. The problems repeat no URL: it may hold a key. */
function readRpcEndpoints(text: string): RpcEndpoint[] {
  const readUrl = urlOf('http:', 'https:')
  const endpoints = list(text).map((part) => {
    const [, label = null, url = part] = LABELLED.exec(part) ?? []
    return { url: readUrl(url), label }
  })
  const name = firstRepeated(nameEndpoints(endpoints))
  if (name !== null) throw new Error(`must not give two nodes the name '${name}'`)
  const urls = endpoints.map(({ url }) => url)
  const url = firstRepeated(urls)
  if (url !== null) {
    throw new Error(
      `must not name one node twice: numbers ${urls.indexOf(url) + 1} and ${urls.lastIndexOf(url) + 1}`,
    )
  }
  return endpoints
}

function firstRepeated(texts: readonly string[]): string | null {
  return texts.find((text, index) => texts.indexOf(text) !== index) ?? null
}

/** The settings, for the README's table. */
export const SETTING_LIST: readonly Pick<
  Setting<unknown>,
  'variable' | 'fallback' | 'fallbackText' | 'meaning'
>[] = Object.values(SETTINGS)

/** Every problem of the environment at once, one in a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(
      `the configuration has ${problems.length} problem(s):\n${problems.map((line) => `  ${line}`).join('\n')}`,
    )
    this.problems = problems
  }
}

type Environment = Readonly<Record<string, string | undefined>>

const NAMES = [...SETTING_LIST.map(({ variable }) => variable), 'NODE_ENV']

/** Variables that may be misspelt settings. Those that are a problem are refused by `readConfig`. */
export function misspeltIn(given: Environment): readonly Misspelling[] {
  return findMisspelt(given, NAMES)
}

/**
 * Reads the environment. Throws ConfigError with all that is wrong in it. `given` is what was really set, where the
 * environment was filled up: misspelt settings are looked for there.
 */
export function readConfig(environment: Environment, given = environment): Config {
  const problems = misspeltIn(given)
    .filter(({ isProblem }) => isProblem)
    .map(({ variable, problem }) => `${variable} ${problem}`)
  const production = environment['NODE_ENV'] === 'production'

  function value<T>({ variable, fallback, read }: Setting<T>): T | null {
    const given = environment[variable]?.trim()
    const text = given ? given : fallback
    if (text === null || text === undefined) return null
    try {
      return read(text)
    } catch (error) {
      problems.push(`${variable} ${(error as Error).message}`)
      return null
    }
  }

  const values = Object.fromEntries(
    Object.entries(SETTINGS).map(([name, each]) => [name, value(each as Setting<unknown>)]),
  ) as { [K in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[K]['read']> }

  if (production) {
    for (const { variable } of [SETTINGS.databaseUrl, SETTINGS.rpcEndpoints]) {
      if (!environment[variable]?.trim()) problems.push(`${variable} is needed where NODE_ENV is production`)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  const longestMs = Math.max(...values.retryDelaysMs)
  return Object.freeze({
    ...values,
    production,
    apiKeys: values.apiKeys ?? [],
    rpcWebSocketUrls: values.rpcWebSocketUrls ?? [],
    sweepGraceMs: values.sweepGraceMs ?? longestMs + SWEEP_GRACE_BEYOND_LONGEST_DELAY_MS,
  })
}
