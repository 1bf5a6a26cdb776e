import { type Config, misspeltIn } from '../config.ts'
import { createLifecycle } from '../lifecycle.ts'
import { createLog } from '../observe/log.ts'
import { createRedact } from '../observe/redact.ts'
import type { Role, RunnableConfig } from '../runnable.ts'
import { readSettings, urlsOf } from './context.ts'
import { EXIT } from './exit.ts'

/** Runs a role until it is told to stop, or fails. */
export async function runRole(role: Role): Promise<void> {
  const config = readSettings(process.env)
  const redact = createRedact(urlsOf(config))
  const log = createLog({ level: config.logLevel, role, pretty: process.stdout.isTTY === true, redact })
  for (const { variable, likely, problem } of misspeltIn(process.env)) {
    log.warn({ variable, likely }, `${variable} ${problem}`)
  }
  const lifecycle = createLifecycle((name, error) =>
    log.error({ err: error, resource: name }, 'release failed'),
  )

  async function stop(reason: string, exitCode: number): Promise<never> {
    log.info({ reason }, 'stopping')
    const timer = setTimeout(() => {
      log.error({ timeoutMs: config.shutdownTimeoutMs }, 'stop took too long; ended without finishing')
      process.exit(EXIT.failed)
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
    void stop('fatal error', EXIT.failed)
  }

  try {
    const runnable = await provideParts(role, config, lifecycle, log)
    const { run } = await import('../compose.ts')
    const { url } = await run(role, { config: runnable, log, lifecycle, onFatal })
    log.info({ url }, `confirmd ${role} is serving at ${url}`)
  } catch (error) {
    log.fatal({ err: error }, `start failed: ${(error as Error).message}`)
    await stop('start failed', EXIT.failed)
  }
}

/** Fills in embedded parts where `start` lacks real ones, and says which they are. */
async function provideParts(
  role: Role,
  config: Config,
  lifecycle: ReturnType<typeof createLifecycle>,
  log: ReturnType<typeof createLog>,
): Promise<RunnableConfig> {
  if (config.amqpUrls === null) {
    const say = config.production ? log.warn.bind(log) : log.info.bind(log)
    say({ insteadSet: 'AMQP_URL' }, 'embedded: the table is the check queue, there is no RabbitMQ')
  }
  if (role === 'start' && (config.databaseUrl === null || config.rpcEndpoints === null)) {
    const { embedMissing } = await import('../dev/embed.ts')
    const { parts, urlsFile, ...urls } = await embedMissing(config, lifecycle)
    for (const { part, location, insteadSet } of parts) {
      log.info({ insteadSet }, `embedded: ${part} at ${location}`)
    }
    log.info({ urlsFile }, `embedded: for a backend beside it, the URLs are in ${urlsFile}`)
    return { ...config, ...urls, hasEmbeddedChain: config.rpcEndpoints === null }
  }
  const { databaseUrl, rpcEndpoints } = config
  const missing = [
    ...(databaseUrl === null ? ['DATABASE_URL'] : []),
    ...(role === 'worker' && rpcEndpoints === null ? ['RPC_URLS'] : []),
  ]
  if (databaseUrl === null || missing.length > 0) {
    throw new Error(
      `${role} shares its parts with other processes: set ${missing.join(' and ')}, or use 'confirmd start'`,
    )
  }
  return { ...config, databaseUrl, hasEmbeddedChain: false }
}
