import { hostOf } from '../broker/hosts.ts'
import { type BrokerReport, type BrokerServer, inspectBroker, readServer } from '../broker/inspect.ts'
import { type BrokerSession, openSession } from '../broker/session.ts'
import { brokerNames, topologyOf } from '../broker/topology.ts'
import type { Config } from '../config.ts'
import { messageOf } from './context.ts'
import { type Finding, fail, ok, warn } from './doctor-finding.ts'
import { counted } from './output.ts'

/** Quorum queues that dead-letter at least once came with it. */
const OLDEST = { major: 3, minor: 10 }

/** A host that answers. */
interface Reached extends BrokerServer {
  readonly host: string
  readonly session: BrokerSession
}

/** The hosts of the broker, what is declared there, and who consumes. */
export async function checkBroker(config: Config): Promise<readonly Finding[]> {
  const { amqpUrls, amqpPrefix, retryDelaysMs } = config
  if (amqpUrls === null) return [ok('broker', 'AMQP_URL is not set: the table is the queue')]
  const answers = await Promise.all(amqpUrls.map((url) => reach(url, amqpPrefix)))
  const reached = answers.flatMap((answer) => ('session' in answer ? [answer] : []))
  const [first] = reached
  const hosts = [
    ...answers.map((answer) =>
      'session' in answer ? checkVersion(answer) : checkUnreached(answer, reached),
    ),
    ...checkSameCluster(reached),
  ]
  if (!first) return hosts
  try {
    const topology = topologyOf(amqpPrefix, retryDelaysMs)
    const report = await inspectBroker(first.session.model, topology)
    const count = topology.exchanges.length + topology.queues.length
    return [...hosts, ...checkDeclared(report, count), ...checkQueues(report, amqpPrefix)]
  } finally {
    await Promise.all(reached.map(({ session }) => session.close()))
  }
}

async function reach(url: string, prefix: string): Promise<Reached | { error: unknown }> {
  try {
    const session = await openSession([url], prefix, 'doctor')
    return { host: hostOf(url), session, ...readServer(session.model) }
  } catch (error) {
    return { error }
  }
}

function checkUnreached({ error }: { error: unknown }, others: readonly Reached[]): Finding {
  const advice =
    others.length > 0
      ? 'see whether it runs and can be reached from here; the other hosts are used meanwhile'
      : 'is AMQP_URL right (user, password, vhost), and does RabbitMQ run?'
  return fail('broker', messageOf(error), advice)
}

function checkVersion({ host, product, version }: Reached): Finding {
  const text = `${product} ${version} at ${host}`
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (product !== 'RabbitMQ') {
    return warn('broker', `${text} is not RabbitMQ`, 'confirmd needs its quorum queues')
  }
  const isOld = major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor)
  return isOld ? fail('broker', `${text} is too old`, 'use RabbitMQ 3.10 or newer') : ok('broker', text)
}

/** Brokers that know nothing of each other would each get a part of the messages, and no worker would see all. */
function checkSameCluster(reached: readonly Reached[]): readonly Finding[] {
  if (new Set(reached.map(({ clusterName }) => clusterName)).size <= 1) return []
  const names = reached.map(({ host, clusterName }) => `${host} belongs to '${clusterName}'`)
  const text = `the hosts of AMQP_URL are not of one cluster: ${names.join(', ')}`
  return [fail('broker', text, 'name the hosts of one cluster only')]
}

function checkDeclared({ missing, differing }: BrokerReport, count: number): readonly Finding[] {
  const different = differing.map(({ name, difference }) =>
    fail(
      'declarations',
      `${name} has other properties (${difference})`,
      'empty and delete it, or choose another AMQP_PREFIX; an api or a worker declares it again',
    ),
  )
  const advice = 'an api or a worker declares them at its start, and the queues when they were deleted'
  if (missing.length === count) {
    return [warn('declarations', 'nothing is declared yet', advice)]
  }
  const absent = missing.length > 0 ? [fail('declarations', `not there: ${missing.join(', ')}`, advice)] : []
  const findings = [...different, ...absent]
  return findings.length > 0
    ? findings
    : [ok('declarations', `${count} exchanges and queues, as they must be`)]
}

function checkQueues({ queues }: BrokerReport, prefix: string): readonly Finding[] {
  const names = brokerNames(prefix)
  const findings: Finding[] = []
  const check = queues.find(({ name }) => name === names.checkQueue)
  if (check) {
    const held = counted(check.messages, 'message')
    const text = `${check.name}: ${held}, ${counted(check.consumers, 'consumer')}`
    const advice = "start a worker: 'confirmd worker'"
    if (check.consumers > 0) findings.push(ok('queues', text))
    else findings.push((check.messages > 0 ? fail : warn)('queues', text, advice))
  }
  const parked = queues.find(({ name }) => name === names.parkedQueue)
  if (parked && parked.messages > 0) {
    const text = `${parked.name}: ${counted(parked.messages, 'message')}`
    findings.push(warn('queues', text, "'confirmd parked list' says why"))
  }
  return findings
}
