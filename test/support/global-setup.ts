import { connect } from 'amqplib'
import knex from 'knex'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import { findRabbitmqServer, startPrivateRabbitmq } from '../../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import { migrate } from '../../src/store/migrations.ts'
import { findChromium } from './find-chromium.ts'
import { findPgbouncer } from './find-pgbouncer.ts'
import { findPikaPython } from './find-pika-python.ts'
import { findPostgresTools } from './find-postgres-tools.ts'
import { findPrometheus, type Prometheus } from './find-prometheus.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where test databases are made, and the migrated one they are copies of. */
    serverUrl: string
    templateDatabase: string
    runId: string
    /** Null: no RabbitMQ is to be had here. */
    amqpUrl: string | null
    /** A Python that has pika. Null: there is none here. */
    pikaPython: string | null
    /** The programs of Prometheus. Null: they are not installed here. */
    prometheus: Prometheus | null
    /** Where PostgreSQL's server and tools of one version are. Null: they are not installed. */
    postgresTools: string | null
    /** Null: there is no PgBouncer here. */
    pgbouncer: string | null
    /** Null: there is no Chromium here. */
    chromium: string | null
  }
}

/** Starts what all tests share, on free ports, and looks for leaks when they are done. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const lifecycle = createLifecycle((name, error) => process.stderr.write(`${name}: ${String(error)}\n`))
  const folder = await createTemporaryFolder()
  lifecycle.add('temporary folder', folder.remove)
  try {
    const serverUrl = process.env['TEST_DATABASE_URL'] ?? (await embeddedUrl())
    const runId = `${process.pid}_${Date.now().toString(36)}`
    const templateDatabase = `confirmd_template_${runId}`
    const server = knex({ client: 'pg', connection: serverUrl, pool: { min: 0, max: 2 } })
    lifecycle.add('server connection', () => server.destroy())
    await server.raw('CREATE DATABASE ??', [templateDatabase])
    lifecycle.add(
      'template database',
      async () => void (await server.raw('DROP DATABASE ??', [templateDatabase])),
    )
    await migrate(databaseUrl(serverUrl, templateDatabase))

    const amqpUrl = process.env['TEST_AMQP_URL'] ?? (await privateBrokerUrl())
    if (amqpUrl) await (await connect(amqpUrl)).close()
    const pikaPython = await findPikaPython()
    const prometheus = await findPrometheus()
    const postgresTools = await findPostgresTools()
    const pgbouncer = await findPgbouncer()
    const chromium = await findChromium()
    const found = { amqpUrl, pikaPython, prometheus, postgresTools, pgbouncer, chromium }
    reportMissing(found)
    project.provide('serverUrl', serverUrl)
    project.provide('templateDatabase', templateDatabase)
    project.provide('runId', runId)
    project.provide('amqpUrl', amqpUrl)
    project.provide('pikaPython', pikaPython)
    project.provide('prometheus', prometheus)
    project.provide('postgresTools', postgresTools)
    project.provide('pgbouncer', pgbouncer)
    project.provide('chromium', chromium)

    return async () => {
      const { rows } = await server.raw<{ rows: { datname: string }[] }>(
        'SELECT datname FROM pg_database WHERE datname LIKE ?',
        [`confirmd_test_${runId}%`],
      )
      await lifecycle.releaseAll()
      reportMissing(found)
      if (rows.length > 0)
        throw new Error(`databases left behind: ${rows.map((row) => row.datname).join(', ')}`)
    }
  } catch (error) {
    await lifecycle.releaseAll()
    throw error
  }

  async function embeddedUrl(): Promise<string> {
    const postgres = await startEmbeddedPostgres({
      folder: folder.path,
      settings: ['fsync=off', 'max_connections=300'],
    })
    lifecycle.add('PostgreSQL', postgres.stop)
    return postgres.url
  }

  async function privateBrokerUrl(): Promise<string | null> {
    const serverPath = await findRabbitmqServer()
    if (!serverPath) return null
    const rabbitmq = await startPrivateRabbitmq(serverPath, folder.path)
    lifecycle.add('RabbitMQ', rabbitmq.stop)
    return rabbitmq.url
  }
}

export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.toString()
}

interface Found {
  readonly amqpUrl: string | null
  readonly pikaPython: string | null
  readonly prometheus: Prometheus | null
  readonly postgresTools: string | null
  readonly pgbouncer: string | null
  readonly chromium: string | null
}

/** Says which tests are not run, and why; throws where that is forbidden. */
function reportMissing(found: Found): void {
  const { amqpUrl, pikaPython, prometheus, postgresTools, pgbouncer, chromium } = found
  if (amqpUrl === null) {
    report('no RabbitMQ: install rabbitmq-server or set TEST_AMQP_URL', 'TEST_REQUIRE_RABBITMQ')
  }
  if (pikaPython === null) report('no Python with pika: install python3-pika', 'TEST_REQUIRE_PIKA')
  if (prometheus === null) report('no Prometheus: install prometheus', 'TEST_REQUIRE_PROMETHEUS')
  if (postgresTools === null) {
    report('no PostgreSQL with pg_dump: install postgresql', 'TEST_REQUIRE_POSTGRES_TOOLS')
  }
  if (pgbouncer === null) report('no PgBouncer: install pgbouncer', 'TEST_REQUIRE_PGBOUNCER')
  if (chromium === null) report('no Chromium: install chromium or set CHROMIUM', 'TEST_REQUIRE_CHROMIUM')
  if (process.getuid?.() !== 0) report('no root: run as root', 'TEST_REQUIRE_ROOT')
}

function report(problem: string, forbidding: string): void {
  const text = `${problem}; the tests that need one are NOT RUN`
  if (process.env[forbidding]) throw new Error(text)
  process.stderr.write(`\n*** ${text} ***\n\n`)
}
