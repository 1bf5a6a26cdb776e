import { execFile } from 'node:child_process'
import { cp, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Leashed, startLeashed } from '../../src/dev/leashed.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { amqpUrl, deleteTopology, describeWithBroker, uniquePrefix } from '../support/broker.ts'
import { commandsOf, readCommandBlocks } from '../support/command-blocks.ts'
import { TEST_DELAYS_MS } from '../support/confirmd.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const BLOCKS = readCommandBlocks('README.md')
/** What a checkout does not hold. */
const NOT_CHECKED_OUT = new Set(['node_modules', 'dist', '.git', '.confirmd'])

function linesOf(heading: string, place = 1): readonly string[] {
  const commands = commandsOf(BLOCKS, heading, place)
  return commands.split('\n').filter((line) => line !== '')
}

describeWithBroker("the README's commands, as they stand, in a folder that only we may enter", () => {
  let folder: TemporaryFolder
  let database: TestDatabase
  let node: ScriptedNode
  let environment: Record<string, string>
  const prefix = uniquePrefix()
  const running = new Set<Leashed>()

  beforeAll(async () => {
    folder = await createTemporaryFolder()
    await cp('.', folder.path, {
      recursive: true,
      filter: (source) => !NOT_CHECKED_OUT.has(basename(source)),
    })
    database = await createTestDatabase()
    await database.db.raw('DROP SCHEMA confirmd CASCADE')
    node = await startScriptedNode()
    environment = {
      NODE_ENV: 'production',
      DATABASE_URL: database.url,
      AMQP_URL: amqpUrl(),
      AMQP_PREFIX: prefix,
      RPC_URLS: node.url,
      RETRY_DELAYS_MS: TEST_DELAYS_MS.join(','),
      PORT: '0',
    }
  })
  afterAll(async () => {
    await Promise.all([...running].map((each) => each.stop()))
    await deleteTopology(amqpUrl(), prefix, TEST_DELAYS_MS)
    await node.stop()
    await database.drop()
    await folder.remove()
  })

  async function shell(command: string, given: Readonly<Record<string, string>> = {}): Promise<string> {
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', command], {
      cwd: folder.path,
      env: { ...process.env, ...given },
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  }

  /** Starts what stays; resolves with its URL. */
  async function stay(command: string, given: Readonly<Record<string, string>>): Promise<string> {
    let said = ''
    // An interrupt of its process group, as Ctrl-C is one: npm passes no signal on.
    const started = startLeashed({
      command: 'bash',
      parameters: ['-c', `set -m; ${command} & trap "kill -INT -- -$!" INT; wait; wait`],
      environment: given,
      stopSignal: 'SIGINT',
      workingDirectory: folder.path,
      onOutput: (text) => {
        said += text
      },
    })
    running.add(started)
    return until(`${command} serves`, () => {
      if (!started.isRunning()) throw new Error(`${command} ended:\n${started.output()}`)
      return /is serving at (http:[^\s"]+)/.exec(said)?.[1]
    })
  }

  it('npm ci, the demo, the tests, and start', { timeout: 600_000 }, async () => {
    // As root in /root: the users that parts of it run as may not enter.
    expect((await stat(folder.path)).mode & 0o777).toBe(0o700)
    const [install, demo, ...others] = linesOf('Try it', 1)
    expect([install, demo, others]).toEqual(['npm ci', 'npm run demo', []])
    await shell(install ?? '')
    expect(await shell(demo ?? '')).toMatch(/confirmed/)
    // One of them is enough: each run starts PostgreSQL and RabbitMQ for all.
    const [test] = linesOf('Development')
    expect(await shell(`${test} -- test/integration/sql-handler.test.ts`)).toMatch(/Test Files .*1 passed/)
    expect(linesOf('Try it', 2)).toEqual(['npm start'])
    const url = await stay('npm start', { DATABASE_URL: '', AMQP_URL: '', RPC_URLS: '', PORT: '0' })
    expect(await (await fetch(url)).text()).toContain('<title>confirmd</title>')
  })

  it('production: built, without what is only for development; migrated; both roles; a key; pruned', {
    timeout: 300_000,
  }, async () => {
    const [build = '', ...others] = linesOf('Production')
    const roles = others.filter((line) => line.startsWith('node '))
    expect(others.filter((line) => !line.startsWith('export '))).toEqual(roles)
    expect(roles.map((line) => line.split(' ')[2])).toEqual(['migrate', 'api', 'worker'])
    await shell(build)
    const made = await shell(commandsOf(BLOCKS, 'Keys'))
    const [entry = ''] = /shop:[0-9a-f]{64}/.exec(made) ?? []
    const [key = ''] = /\bck_\S+/.exec(made) ?? []
    expect([entry, key]).not.toContain('')
    expect(await shell(roles[0] ?? '', environment)).toContain('create_transactions')
    const given = { ...environment, API_KEYS: entry }
    const [url] = await Promise.all(roles.slice(1).map((role) => stay(role, given)))
    const txHash = randomHash()
    node.include(txHash)
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` }
    const body = JSON.stringify({ txHash })
    const answer = await fetch(`${url}/v1/transactions`, { method: 'POST', headers, body })
    expect(answer.status).toBe(202)
    const { id } = (await answer.json()) as { id: string }
    await until('it is confirmed', async () => {
      const found = await fetch(`${url}/v1/transactions/${id}?wait=20`, { headers })
      return ((await found.json()) as { status: string }).status === 'confirmed'
    })
    const pruned = await shell(commandsOf(BLOCKS, 'Keeping the table small'), environment)
    expect(pruned).toMatch(
      /0 transactions of chain kaia are to be pruned[\s\S]*pruned 0 transactions of chain kaia/,
    )
  })

  it('every other block of it is run elsewhere: the requests by a test of start, the rest by the check', async () => {
    const here = ['Try it 1', 'Try it 2', 'Production 1', 'Keys 1', 'Keeping the table small 1']
    const elsewhere = ['Try it 3', 'Try it 4', 'Development 1']
    const all = BLOCKS.filter(({ isTried }) => isTried).map(({ heading, place }) => `${heading} ${place}`)
    expect(all.toSorted()).toEqual([...here, ...elsewhere].toSorted())
    const requests = await readFile('test/e2e/embedded.test.ts', 'utf8')
    expect(requests).toContain('runReadmeRequests')
    const check = await readFile(join('.ci', 'run'), 'utf8')
    for (const line of linesOf('Development')) {
      const [command = ''] = line.split(' -- ')
      expect(check, line).toContain(command)
    }
  })
})
