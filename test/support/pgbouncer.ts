import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, inject } from 'vitest'
import { startLeashed, untilReady } from '../../src/dev/leashed.ts'
import { accepts, freePort } from '../../src/dev/ports.ts'
import { choosePostgresUser } from '../../src/dev/postgres-user.ts'
import { reach } from '../../src/dev/reach.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'

/** Where PgBouncer is missing these are not run; TEST_REQUIRE_PGBOUNCER forbids that. */
export const describeWithPgbouncer = describe.runIf(inject('pgbouncer') !== null)

export interface Pgbouncer {
  /** The URL that leads to the same database through PgBouncer. */
  through(url: string): string
  stop(): Promise<void>
}

export interface PgbouncerOptions {
  readonly mode: 'session' | 'transaction'
  /** Sessions for each database; as many as the tests can use if left out. */
  readonly poolSize?: number
}

const START_TIMEOUT_MS = 10_000

/** Starts PgBouncer before the PostgreSQL of the URL, with its defaults but for what is written here. */
export async function startPgbouncer(
  serverUrl: string,
  { mode, poolSize = 50 }: PgbouncerOptions,
): Promise<Pgbouncer> {
  const command = inject('pgbouncer')
  if (command === null) throw new Error('this test needs PgBouncer; put it under describeWithPgbouncer')
  const server = new URL(serverUrl)
  const folder = await createTemporaryFolder()
  // PgBouncer refuses to run as root, as PostgreSQL does.
  const user = await choosePostgresUser(folder.path, process.getuid?.())
  const port = await freePort()
  const [settings, users] = [join(folder.path, 'pgbouncer.ini'), join(folder.path, 'users.txt')]
  const { names, how } = reach([settings, users], user)
  await writeFile(
    settings,
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${names[1]}
pool_mode = ${mode}
default_pool_size = ${poolSize}
server_login_retry = 1
`,
  )
  await writeFile(users, `"${server.username}" "${server.password}"\n`)
  for (const file of [settings, users]) {
    await chmod(file, 0o600)
    if (user) await chown(file, user.uid, user.gid)
  }
  // SIGTERM ends it at once; SIGINT waits for its clients.
  const running = startLeashed({
    command,
    parameters: [names[0] ?? ''],
    stopSignal: 'SIGTERM',
    ...how,
  })
  await untilReady('PgBouncer', running, () => accepts(port), START_TIMEOUT_MS)
  return {
    through: (given) => {
      const url = new URL(given)
      url.port = String(port)
      return url.toString()
    },
    stop: async () => {
      await running.stop()
      await folder.remove()
    },
  }
}
