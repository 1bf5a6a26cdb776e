import { execFile } from 'node:child_process'
import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import { type Leashed, startLeashed, untilReady } from './leashed.ts'
import { accepts, freeRestartablePort } from './ports.ts'

/** A RabbitMQ of our own, started from an installed server, beside any other that runs. */
export interface PrivateRabbitmq {
  readonly url: string
  readonly nodeName: string
  readonly cluster: Cluster
  /** With this environment RabbitMQ's own tools speak to this server. */
  readonly toolEnvironment: Readonly<Record<string, string>>
  stop(): Promise<void>
  /** Kills the server without warning; `restart` brings it back with its data. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Runs `rabbitmqctl` against this server; resolves with what it printed. */
  control(...parameters: string[]): Promise<string>
}

/** A start takes 5 s of one processor, and much longer where many processes want it. */
const START_TIMEOUT_MS = 120_000
const PORT_ATTEMPTS = 5
/** What a server prints when it has started. */
const STARTED = 'completed with'
/** What it prints when it ends because of a port. */
const PORT_TAKEN = /eaddrinuse|dist_port_already_used/
const SERVER_PATHS = [
  '/usr/lib/rabbitmq/bin/rabbitmq-server',
  '/opt/homebrew/sbin/rabbitmq-server',
  '/usr/local/sbin/rabbitmq-server',
]

/** The path of an installed `rabbitmq-server`, or null. */
export async function findRabbitmqServer(): Promise<string | null> {
  for (const path of SERVER_PATHS) {
    if (await isThere(path)) return path
  }
  return null
}

/** What two servers of one cluster share. */
interface Cluster {
  readonly epmdPort: number
  /** The member that is asked to let the others in. */
  readonly firstNode: string
}

export interface PrivateRabbitmqOptions {
  /** Becomes a member of this server's cluster; it has to be started in the same folder, and stopped earlier. */
  readonly joining?: PrivateRabbitmq
  /** Chooses the ports; free ones if left out. */
  readonly choosePort?: () => Promise<number>
  /** Limit of each start; 120 s if left out. */
  readonly startTimeoutMs?: number
}

/** Starts a server as any user, on free loopback ports, with all of its files in `folder`. */
export async function startPrivateRabbitmq(
  serverPath: string,
  folder: string,
  {
    joining,
    choosePort = freeRestartablePort,
    startTimeoutMs = START_TIMEOUT_MS,
  }: PrivateRabbitmqOptions = {},
): Promise<PrivateRabbitmq> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnPorts(
        { serverPath, folder, joined: joining?.cluster ?? null, startTimeoutMs },
        { amqp: await choosePort(), distribution: await choosePort(), epmd: await choosePort() },
      )
    } catch (error) {
      // Between the choice of a port and the listening on it, seconds pass.
      if (!(error instanceof PortTakenError) || attempt === PORT_ATTEMPTS) throw error
    }
  }
}

class PortTakenError extends Error {
  override readonly name = 'PortTakenError'
}

interface Ports {
  readonly amqp: number
  readonly distribution: number
  /** Of the port mapper; a server that joins a cluster uses that of the cluster. */
  readonly epmd: number
}

interface StartOptions {
  readonly serverPath: string
  readonly folder: string
  /** Null: the server starts a cluster of its own. */
  readonly joined: Cluster | null
  readonly startTimeoutMs: number
}

async function startOnPorts(
  { serverPath, folder, joined, startTimeoutMs }: StartOptions,
  ports: Ports,
): Promise<PrivateRabbitmq> {
  const nodeName = `confirmd${ports.amqp}@localhost`
  const cluster = joined ?? { epmdPort: ports.epmd, firstNode: nodeName }
  // The home is that of the cluster: its Erlang cookie is there.
  const home = join(folder, 'rabbitmq')
  const files = join(home, nodeName)
  await mkdir(files, { recursive: true })
  // Erlang refuses a home whose cookie others could read.
  await chmod(home, 0o700)
  const pidFile = join(files, 'pid')
  const environment = {
    HOME: home,
    RABBITMQ_NODENAME: nodeName,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(ports.amqp),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_MNESIA_BASE: join(files, 'data'),
    RABBITMQ_LOG_BASE: join(files, 'log'),
    RABBITMQ_PID_FILE: pidFile,
    RABBITMQ_ENABLED_PLUGINS_FILE: join(files, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(files, 'rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    // Makes the start script become the server, so that signals reach it.
    RUNNING_UNDER_SYSTEMD: 'true',
    NOTIFY_SOCKET: '',
    // Schedulers that wait by spinning take the time of everything else on a small machine.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none',
    ERL_EPMD_PORT: String(cluster.epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  }
  await writeFile(environment.RABBITMQ_ENABLED_PLUGINS_FILE, '[].\n')
  await writeFile(environment.RABBITMQ_CONFIG_FILE, configuration(joined))
  const url = `amqp://guest:guest@127.0.0.1:${ports.amqp}`

  async function start(): Promise<Leashed> {
    const server = startLeashed({
      command: serverPath,
      parameters: [],
      environment,
      stopSignal: 'SIGTERM',
      workingDirectory: files,
    })
    // What it says of itself counts too: somebody else may answer at its port.
    const isReady = async () => server.output().includes(STARTED) && (await takesConnections(url))
    await untilReady('the private RabbitMQ', server, isReady, startTimeoutMs).catch((error: Error) => {
      throw PORT_TAKEN.test(error.message) ? new PortTakenError(error.message, { cause: error }) : error
    })
    return server
  }

  const epmd = joined ? null : await startEpmd(cluster.epmdPort, environment, startTimeoutMs)
  let server: Leashed
  try {
    server = await start()
  } catch (error) {
    // It says nothing when it ends because of its port, where somebody else answers.
    const isWithoutEpmd = epmd?.isRunning() === false
    await epmd?.stop()
    throw isWithoutEpmd ? new PortTakenError((error as Error).message, { cause: error }) : error
  }
  const toolEnvironment = {
    ...environment,
    PATH: `${dirname(serverPath)}:${process.env['PATH'] ?? ''}`,
  }
  return {
    url,
    nodeName,
    cluster,
    toolEnvironment,
    stop: async () => {
      await server.stop()
      await epmd?.stop()
    },
    kill: async () => {
      process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL')
      await server.ended
    },
    restart: async () => {
      server = await start()
    },
    control: async (...parameters) => {
      const command = join(dirname(serverPath), 'rabbitmqctl')
      const env = { ...process.env, ...toolEnvironment }
      const { stdout } = await promisify(execFile)(command, ['--quiet', ...parameters], { cwd: home, env })
      return stdout
    },
  }
}

function configuration(joined: Cluster | null): string {
  return [
    // Enough disk is the machine's business, not that of a broker for tests and demos.
    'disk_free_limit.absolute = 50MB',
    ...(joined
      ? [
          'cluster_formation.peer_discovery_backend = classic_config',
          `cluster_formation.classic_config.nodes.1 = ${joined.firstNode}`,
        ]
      : []),
    '',
  ].join('\n')
}

/** Erlang would leave its port mapper behind; one of our own ends with us. */
async function startEpmd(
  port: number,
  environment: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<Leashed> {
  const epmd = startLeashed({ command: 'epmd', parameters: [], environment, stopSignal: 'SIGTERM' })
  await untilReady('epmd', epmd, () => accepts(port), timeoutMs)
  return epmd
}

async function takesConnections(url: string): Promise<boolean> {
  if (!(await accepts(Number(new URL(url).port)))) return false
  try {
    const connection = await connect(url, { timeout: 2_000 })
    connection.on('error', () => undefined)
    await connection.close()
    return true
  } catch {
    return false
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
