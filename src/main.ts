#!/usr/bin/env node
import { Command } from 'commander'
import type { Knex } from 'knex'
import { run } from './compose.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { createApiKey } from './http/api-key.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLog } from './observe/log.ts'
import { createRedact } from './observe/redact.ts'
import { prune, readAge } from './prune.ts'
import type { Role, RunnableConfig } from './runnable.ts'
import { describeDatabase, openDatabase } from './store/database.ts'
import { migrate } from './store/migrations.ts'
import { countPrunable } from './store/prune.ts'
import { packageVersion } from './version.ts'

const EXIT_FAILED = 1
/** As sysexits.h has it: the configuration is wrong, and a restart won't help. */
const EXIT_CONFIG = 78

async function runRole(role: Role): Promise<void> {
  const config = configOrExit()
  const redact = createRedact(urlsOf(config))
  const log = createLog({ level: config.logLevel, role, pretty: process.stdout.isTTY === true, redact })
  const lifecycle = createLifecycle((name, error) =>
    log.error({ err: error, resource: name }, 'release failed'),
  )

  async function stop(reason: string, exitCode: number): Promise<never> {
    log.info({ reason }, 'stopping')
    const timer = setTimeout(() => {
      log.error({ timeoutMs: config.shutdownTimeoutMs }, 'stop took too long; ended without finishing')
      process.exit(EXIT_FAILED)
    }, config.shutdownTimeoutMs)
    await lifecycle.releaseAll()
    clearTimeout(timer)
    log.info({ exitCode }, 'stopped')
    process.exit(exitCode)
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void stop(signal, 0))
  }
  function onFatal(error: Error): void {
    log.fatal({ err: error }, error.message)
    void stop('fatal error', EXIT_FAILED)
  }

  try {
    const runnable = await provideParts(role, config, lifecycle, log)
    const { url } = await run(role, { config: runnable, log, lifecycle, onFatal })
    log.info({ url }, `confirmd ${role} is serving at ${url}`)
  } catch (error) {
    log.fatal({ err: error }, `start failed: ${(error as Error).message}`)
    await stop('start failed', EXIT_FAILED)
  }
}

/** Fills in embedded parts where `start` lacks real ones, and says which they are. */
async function provideParts(
  role: Role,
  config: Config,
  lifecycle: ReturnType<typeof createLifecycle>,
  log: ReturnType<typeof createLog>,
): Promise<RunnableConfig> {
  if (config.amqpUrl === null) {
    const say = config.production ? log.warn.bind(log) : log.info.bind(log)
    say({ insteadSet: 'AMQP_URL' }, 'embedded: the table is the check queue, there is no RabbitMQ')
  }
  if (role === 'start' && (config.databaseUrl === null || config.rpcUrls === null)) {
    const { embedMissing } = await import('./dev/embed.ts')
    const { parts, ...urls } = await embedMissing(config, lifecycle)
    for (const { part, location, insteadSet } of parts) {
      log.info({ insteadSet }, `embedded: ${part} at ${location}`)
    }
    return { ...config, ...urls }
  }
  const { databaseUrl, rpcUrls } = config
  const missing = [
    ...(databaseUrl === null ? ['DATABASE_URL'] : []),
    ...(role === 'worker' && rpcUrls === null ? ['RPC_URLS'] : []),
  ]
  if (databaseUrl === null || missing.length > 0) {
    throw new Error(
      `${role} shares its parts with other processes: set ${missing.join(' and ')}, or use 'confirmd start'`,
    )
  }
  return { ...config, databaseUrl }
}

async function runMigrate(): Promise<void> {
  const noDatabase = "migrate needs DATABASE_URL; 'confirmd start' migrates by itself"
  await withDatabase('migrate', noDatabase, async (db, where) => {
    const ran = await migrate(db)
    print(ran.length > 0 ? `${where}: ran ${ran.join(', ')}` : `${where}: the schema is up to date`)
  })
}

async function runPrune({ olderThan, dryRun }: { olderThan: string; dryRun?: boolean }): Promise<void> {
  let ageMs = 0
  try {
    ageMs = readAge(olderThan)
  } catch (error) {
    exit(EXIT_CONFIG, `--older-than: ${(error as Error).message}`)
  }
  const before = new Date(Date.now() - ageMs)
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  process.once('SIGTERM', () => stopping.abort())
  await withDatabase('prune', 'prune needs DATABASE_URL', async (db, where, { amqpUrl }) => {
    const what = { before, hasExchange: amqpUrl !== null }
    if (dryRun) {
      const count = await countPrunable(db, what)
      print(`${where}: ${count} transactions are to be pruned: settled before ${before.toISOString()}`)
      return
    }
    const isTerminal = process.stderr.isTTY
    const done = await prune(
      db,
      what,
      ({ transactions, total }) => {
        if (isTerminal) process.stderr.write(`\r${transactions} of ${total} transactions pruned`)
      },
      stopping.signal,
    )
    if (isTerminal) process.stderr.write('\n')
    print(`${where}: pruned ${done.transactions} transactions and ${done.events} events`)
  })
}

/** For commands that need only the database; `where` names it without its password. */
async function withDatabase(
  command: string,
  noDatabase: string,
  work: (db: Knex, where: string, config: Config) => Promise<void>,
): Promise<void> {
  const config = configOrExit({ RPC_URLS: process.env['RPC_URLS'] || 'http://not-needed' })
  if (config.databaseUrl === null) exit(EXIT_CONFIG, noDatabase)
  const db = openDatabase({
    url: config.databaseUrl,
    poolMax: 1,
    applicationName: `confirmd ${command}`,
  })
  try {
    await work(db, describeDatabase(config.databaseUrl), config)
  } catch (error) {
    const redact = createRedact(urlsOf(config))
    print(redact(`${command} failed: ${(error as Error).message}`), process.stderr)
    process.exitCode = EXIT_FAILED
  } finally {
    await db.destroy()
  }
}

function runKeyCreate({ name }: { name?: string }): void {
  try {
    const { key, entry } = createApiKey(name)
    print(`key, shown this once; send it as 'Authorization: Bearer <key>':\n${key}`)
    print(`entry for API_KEYS, separated by a comma from others:\n${entry}`)
  } catch (error) {
    exit(EXIT_FAILED, (error as Error).message)
  }
}

/** The settings that hold credentials. */
function urlsOf({ databaseUrl, amqpUrl, rpcUrls, rpcWebSocketUrls }: Config): string[] {
  return [databaseUrl, amqpUrl, ...(rpcUrls ?? []), ...rpcWebSocketUrls].filter((url) => url !== null)
}

function configOrExit(defaults: Record<string, string> = {}): Config {
  try {
    return readConfig({ ...process.env, ...defaults })
  } catch (error) {
    if (error instanceof ConfigError) exit(EXIT_CONFIG, error.message)
    throw error
  }
}

function exit(code: number, message: string): never {
  print(message, process.stderr)
  process.exit(code)
}

function print(line: string, stream: NodeJS.WriteStream = process.stdout): void {
  stream.write(`${line}\n`)
}

const program = new Command('confirmd')
  .description(
    'Makes a database agree with the blockchain. Settings come from the environment; see the README.',
  )
  .version(packageVersion())
program
  .command('start')
  .description('everything in one process')
  .action(() => runRole('start'))
program
  .command('api')
  .description('the HTTP API')
  .action(() => runRole('api'))
program
  .command('worker')
  .description('checks transactions; run as many as needed')
  .action(() => runRole('worker'))
program.command('migrate').description('brings the database schema up to date').action(runMigrate)
program
  .command('prune')
  .description(
    'deletes transactions that were settled long ago; a pruned hash is unknown, so registering it again runs its business write again',
  )
  .requiredOption('--older-than <age>', 'settled before so long: 90d, 12h, 30m')
  .option('--dry-run', 'only says how many there are')
  .action(runPrune)
program
  .command('key')
  .description('keys of the API')
  .command('create')
  .description('makes a key and the entry for API_KEYS; the key itself is stored nowhere')
  .option('--name <name>', 'whose key it is, shown in logs; random if not given')
  .action(runKeyCreate)
await program.parseAsync()
