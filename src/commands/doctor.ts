import { setTimeout as sleep } from 'node:timers/promises'
import type { ChainBinding } from '../chain/anchor-check.ts'
import { readChainBinding, unboundChain } from '../chain-binding.ts'
import { type Config, ConfigError, misspeltIn, readConfig } from '../config.ts'
import { isLoopbackHost } from '../domain/loopback.ts'
import { createRedact } from '../observe/redact.ts'
import { describeDatabase, openDatabase } from '../store/database.ts'
import { commandSettings, messageOf, urlsIn } from './context.ts'
import { checkBroker } from './doctor-broker.ts'
import { checkDatabase } from './doctor-database.ts'
import { type Finding, fail, ok, warn } from './doctor-finding.ts'
import { checkHandlers } from './doctor-handlers.ts'
import { checkNodes } from './doctor-nodes.ts'
import { checkPooler } from './doctor-pooler.ts'
import { EXIT } from './exit.ts'
import { columns, harmless, paint, print, printJson } from './output.ts'

const LIMIT_MS = 60_000
const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const

/** Looks at everything that confirmd needs, and says what to do. Changes nothing. */
export async function doctor({ json }: { json?: boolean }): Promise<void> {
  const redact = createRedact(urlsIn(commandSettings()))
  const { config, problems } = settingsOrProblems()
  const findings: Finding[] = []
  function found(more: readonly Finding[]): void {
    for (const { text, advice, ...rest } of more) {
      const finding = { ...rest, text: redact(text), advice: advice === null ? null : redact(advice) }
      findings.push(finding)
      if (!json) print(lineOf(finding))
    }
  }

  if (config === null) {
    found(problems.map((problem) => fail('configuration', problem, 'set it right, and run doctor again')))
  } else {
    found(checkConfig(config))
    // One after the other, so that the lines come in an order that makes sense to read.
    for (const [check, run] of checksOf(config)) found(await within(check, run))
  }
  const failed = findings.filter(({ outcome }) => outcome === 'fail').length
  if (json) printJson({ ok: failed === 0, checks: findings })
  // Not left to itself: a module of business writes may hold connections that keep the process alive.
  process.exit(config === null ? EXIT.config : failed > 0 ? EXIT.failed : EXIT.done)
}

/** The settings, or all that is wrong with them. */
function settingsOrProblems(): { config: Config | null; problems: readonly string[] } {
  try {
    return { config: readConfig(commandSettings(), process.env), problems: [] }
  } catch (error) {
    if (error instanceof ConfigError) return { config: null, problems: error.problems }
    throw error
  }
}

type Check = () => Promise<readonly Finding[]>

function checksOf(config: Config): readonly (readonly [string, Check])[] {
  return [
    ['database', () => withDatabase(config)],
    ['broker', () => checkBroker(config)],
    ['nodes', async () => checkNodes(config, await bindingOf(config))],
    ['handlers', () => checkHandlers(config)],
  ]
}

function checkConfig({ production, amqpUrls, apiKeys, host }: Config): readonly Finding[] {
  const check = 'configuration'
  return [
    ok(check, `the settings can be used${production ? ', for production' : ''}`),
    ...misspeltIn(process.env).map(({ variable, likely }) =>
      warn(check, `${variable} is not a setting`, `rename it if ${likely.join(' or ')} is meant`),
    ),
    ...(production && amqpUrls === null
      ? [warn(check, 'AMQP_URL is not set: the table is the queue', 'set AMQP_URL to run many workers')]
      : []),
    ...(apiKeys.length === 0 && !isLoopbackHost(host)
      ? [
          warn(
            check,
            `HOST is ${host}, but without API_KEYS only this machine is served`,
            "make one by 'confirmd key create' and set API_KEYS",
          ),
        ]
      : []),
  ]
}

async function withDatabase(config: Config): Promise<readonly Finding[]> {
  const { databaseUrl: url, databaseSchema: schema } = config
  if (url === null) {
    const text = 'DATABASE_URL is not set, and no embedded PostgreSQL runs in this folder'
    return [fail('database', text, "set DATABASE_URL, or start 'confirmd start' here")]
  }
  const pooler = await checkPooler(url)
  // What is asked below needs sessions, too.
  if (pooler.some(({ outcome }) => outcome === 'fail')) return pooler
  const db = openDatabase({ url, schema, poolMax: 1, applicationName: 'confirmd doctor' })
  try {
    return [...pooler, ...(await checkDatabase(db, describeDatabase(url), config))]
  } finally {
    await db.destroy()
  }
}

/** What the chain's name means in the database; where that can't be read, which is found by another check, nothing. */
async function bindingOf({ databaseUrl: url, databaseSchema: schema, chain }: Config): Promise<ChainBinding> {
  if (url === null) return unboundChain()
  const db = openDatabase({ url, schema, poolMax: 1, applicationName: 'confirmd doctor' })
  try {
    return await readChainBinding(db, chain)
  } catch {
    return unboundChain()
  } finally {
    await db.destroy()
  }
}

/** What fails or hangs is a finding as well, and keeps no other check from being made. */
async function within(check: string, run: Check): Promise<readonly Finding[]> {
  const limit = new AbortController()
  const late = sleep(LIMIT_MS, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`no end within ${LIMIT_MS / 1_000} s`)
  })
  late.catch(() => undefined)
  try {
    return await Promise.race([run(), late])
  } catch (error) {
    return [fail(check, messageOf(error), 'see whether it runs and can be reached from here')]
  } finally {
    limit.abort()
  }
}

function lineOf({ check, outcome, text, advice }: Finding): string {
  const line = columns([[paint(COLOURS[outcome], outcome.padEnd(4)), check.padEnd(13), harmless(text)]])
  return advice === null ? line : `${line}; ${harmless(advice)}`
}
