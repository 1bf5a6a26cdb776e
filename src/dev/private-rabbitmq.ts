import { execFile } from 'node:child_process'
import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import { type Leashed, startLeashed, untilReady } from './leashed.ts'
import { accepts, freePort } from './ports.ts'

/** A RabbitMQ of our own, started from an installed server, beside any other that runs. */
export interface PrivateRabbitmq {
  readonly url: string
  /** With this environment RabbitMQ's own tools speak to this server. */
  readonly toolEnvironment: Readonly<Record<string, string>>
  stop(): Promise<void>
  /** Kills the server without warning; `restart` brings it back with its data. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Runs `rabbitmqctl` against this server; resolves with what it printed. */
  control(...parameters: string[]): Promise<string>
}

const START_TIMEOUT_MS = 60_000
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

/** Starts a server as any user, on free loopback ports, with all of its files in `folder`. */
export async function startPrivateRabbitmq(serverPath: string, folder: string): Promise<PrivateRabbitmq> {
  const home = join(folder, 'rabbitmq')
  await mkdir(home, { recursive: true })
  // Erlang refuses a home whose cookie others could read.
  await chmod(home, 0o700)
  const [amqpPort, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()]
  const pidFile = join(home, 'pid')
  const environment = {
    HOME: home,
    RABBITMQ_NODENAME: `confirmd${amqpPort}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(amqpPort),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(home, 'data'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_PID_FILE: pidFile,
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    // Makes the start script become the server, so that signals reach it.
    RUNNING_UNDER_SYSTEMD: 'true',
    NOTIFY_SOCKET: '',
    // Schedulers that wait by spinning take the time of everything else on a small machine.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none',
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  }
  await writeFile(environment.RABBITMQ_ENABLED_PLUGINS_FILE, '[].\n')
  // Enough disk is the machine's business, not that of a broker for tests and demos.
  await writeFile(environment.RABBITMQ_CONFIG_FILE, 'disk_free_limit.absolute = 50MB\n')
  const url = `amqp://guest:guest@127.0.0.1:${amqpPort}`

  // Erlang would leave its port mapper behind; one of our own ends with us.
  const epmd = startLeashed({ command: 'epmd', parameters: [], environment, stopSignal: 'SIGTERM' })
  await untilReady('epmd', epmd, () => accepts(epmdPort), START_TIMEOUT_MS)

  async function start(): Promise<Leashed> {
    const server = startLeashed({
      command: serverPath,
      parameters: [],
      environment,
      stopSignal: 'SIGTERM',
      workingDirectory: home,
    })
    await untilReady('the private RabbitMQ', server, () => isReady(url), START_TIMEOUT_MS)
    return server
  }

  let server: Leashed
  try {
    server = await start()
  } catch (error) {
    await epmd.stop()
    throw error
  }
  const toolEnvironment = {
    ...environment,
    PATH: `${dirname(serverPath)}:${process.env['PATH'] ?? ''}`,
  }
  return {
    url,
    toolEnvironment,
    stop: async () => {
      await server.stop()
      await epmd.stop()
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

async function isReady(url: string): Promise<boolean> {
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
