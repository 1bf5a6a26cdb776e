import type { Knex } from 'knex'
import type { Config } from '../config.ts'
import { demandSameChain } from '../domain/chain-binding.ts'
import { readChain } from '../store/chains.ts'
import { type DatabaseReport, inspectDatabase } from '../store/inspect.ts'
import { readMigrationState } from '../store/migrations.ts'
import { listProcesses } from '../store/processes.ts'
import { messageOf } from './context.ts'
import { type Finding, fail, ok, warn } from './doctor-finding.ts'
import { checkStandbys } from './doctor-standbys.ts'
import { counted, lasting } from './output.ts'

/** The oldest that the schema works on. */
const OLDEST_VERSION = 130_000
/** Less is within what an answer takes. */
const CLOCK_WARNING_MS = 1_000

/** The database, its schema, its clock, and who works on it. */
export async function checkDatabase(db: Knex, where: string, config: Config): Promise<readonly Finding[]> {
  let report: DatabaseReport
  try {
    report = await inspectDatabase(db)
  } catch (error) {
    return [fail('database', `${where}: ${messageOf(error)}`, 'is DATABASE_URL right, and does it run?')]
  }
  const findings = [
    checkVersion(report, where),
    ...checkPrivileges(report),
    checkClock(report, config),
    await checkStandbys(db),
  ]
  if (!report.mayUse) return findings
  const migrations = await checkMigrations(db, report)
  return [
    ...findings,
    ...migrations,
    ...(migrations.some(({ outcome }) => outcome === 'fail') ? [] : await checkChain(db, config)),
    ...(migrations.some(({ outcome }) => outcome === 'fail') ? [] : await checkWorkers(db)),
  ]
}

function checkVersion({ version, versionNumber, isReadOnly }: DatabaseReport, where: string): Finding {
  const text = `PostgreSQL ${version} at ${where}`
  if (versionNumber < OLDEST_VERSION)
    return fail('database', `${text} is too old`, 'use PostgreSQL 13 or newer')
  if (isReadOnly) return fail('database', `${text} can't be written to`, 'is it a standby? Name the primary')
  return ok('database', text)
}

function checkPrivileges({ lacking }: DatabaseReport): readonly Finding[] {
  if (lacking.length === 0) return [ok('privileges', 'all that is needed on the tables that are there')]
  const advice = 'GRANT these to the user of DATABASE_URL, or make it the owner'
  return [fail('privileges', `none for ${lacking.join(', ')}`, advice)]
}

async function checkMigrations(db: Knex, { mayCreate }: DatabaseReport): Promise<readonly Finding[]> {
  const { missing, unknown, running } = await readMigrationState(db)
  const findings: Finding[] = []
  if (missing.length > 0) {
    const advice = mayCreate
      ? "run 'confirmd migrate'"
      : "run 'confirmd migrate' as a user who may create tables, which that of DATABASE_URL may not"
    findings.push(fail('migrations', `${missing.length} missing: ${missing.join(', ')}`, advice))
  }
  if (unknown.length > 0) {
    const text = `${unknown.length} that this program does not know: ${unknown.join(', ')}`
    findings.push(warn('migrations', text, 'a newer release migrated; update this one'))
  }
  if (running.length > 0) {
    findings.push(warn('migrations', `a migration runs: ${running.join(', ')}`, 'wait until it has ended'))
  }
  return findings.length > 0 ? findings : [ok('migrations', 'complete')]
}

function checkClock({ clockAheadMs }: DatabaseReport, { rpcMaxHeadAgeMs }: Config): Finding {
  const apart = lasting(clockAheadMs)
  const text = `the database's clock is ${apart} ${clockAheadMs < 0 ? 'behind' : 'ahead of'} this machine's`
  const advice = 'keep both in time by NTP'
  // By then a node that is up to date looks as if it had stopped, or one that has stopped as if it had not.
  if (Math.abs(clockAheadMs) >= rpcMaxHeadAgeMs) return fail('clock', text, advice)
  return Math.abs(clockAheadMs) >= CLOCK_WARNING_MS ? warn('clock', text, advice) : ok('clock', text)
}

async function checkChain(db: Knex, { chain, chainId }: Config): Promise<readonly Finding[]> {
  const bound = await readChain(db, chain)
  if (!bound)
    return [ok('chain', `'${chain}' is not bound yet: the first node that answers a worker does it`)]
  try {
    demandSameChain(bound, chainId)
    return [
      ok(
        'chain',
        `'${chain}' is the chain with id ${chainId} and the block ${bound.anchor.number} ${bound.anchor.hash}`,
      ),
    ]
  } catch (error) {
    return [fail('chain', messageOf(error), 'api and workers do not start until the two agree')]
  }
}

async function checkWorkers(db: Knex): Promise<readonly Finding[]> {
  const workers = (await listProcesses(db)).filter(({ role }) => role !== 'api')
  if (workers.length === 0) {
    return [warn('workers', 'none was heard of in the last 30 s', "start one: 'confirmd worker'")]
  }
  const places = workers.map(({ host, pid, version }) => `${host}:${pid} (${version})`)
  return [ok('workers', `${counted(workers.length, 'worker')}: ${places.join(', ')}`)]
}
