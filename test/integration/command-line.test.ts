import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startRole } from '../../src/dev/role-process.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import type { CloudEvent } from '../../src/domain/event.ts'
import { answerQuestion, runCommand, startCommand } from '../support/command.ts'
import { createWorld, type RunningConfirmd, register, untilStatus, type World } from '../support/confirmd.ts'
import { startHook } from '../support/hook.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const SECRET = 'database-secret-0123'
const ESCAPE = '\u001b'
const SHOWS_CURSOR = `${ESCAPE}[?25h`

let world: World
let running: RunningConfirmd

beforeAll(async () => {
  world = await createWorld('table', { RETRY_LIMIT: '1', RETRY_DELAYS_MS: '50' })
})
afterAll(() => world.close())

function confirmd(...parameters: string[]) {
  return runCommand(parameters, world.environment)
}

function onTerminal(...parameters: string[]) {
  return startCommand(parameters, { environment: world.environment, terminal: true })
}

async function registered(txHash: string, kind = 'default'): Promise<string> {
  return (await register(running.url, { txHash, kind })).body.id
}

async function settled(txHash: string, status: string, kind?: string): Promise<string> {
  const id = await registered(txHash, kind)
  await untilStatus(world.db, txHash, status)
  return id
}

describe('beside a running confirmd', () => {
  beforeAll(async () => {
    running = await world.start()
  })
  afterAll(() => world.stopAll())

  it('status says what GET /v1/overview answers, and is plain where no terminal is', async () => {
    await settled(randomHash(), 'stalled')
    const overview = await until('the process has reported itself', async () => {
      const answer = (await (await fetch(`${running.url}/v1/overview`)).json()) as { processes: unknown[] }
      return answer.processes.length > 0 && answer
    })
    const json = await confirmd('status', '--json')
    expect(json.code).toBe(0)
    const said = JSON.parse(json.stdout) as Record<string, unknown>
    expect(Object.keys(said)).toEqual(Object.keys(overview))
    for (const same of ['chain', 'version', 'open', 'queues', 'webhooks']) {
      expect(said[same]).toEqual((overview as Record<string, unknown>)[same])
    }
    const { stdout } = await confirmd('status')
    expect(stdout).toMatch(/\d+ stalled/)
    expect(stdout).toContain('recheck --status stalled')
    expect(stdout).toMatch(/start +\S+:\d+/)
    expect(stdout).not.toContain(ESCAPE)
  })

  it('status is coloured on a terminal, and not where NO_COLOR is set', async () => {
    const coloured = await onTerminal('status').ended
    expect(coloured).toMatchObject({ code: 0, stdout: expect.stringContaining(`${ESCAPE}[1m`) })
    const environment = { ...world.environment, NO_COLOR: '1' }
    const plain = await startCommand(['status'], { environment, terminal: true }).ended
    expect(plain.stdout).toContain('queues')
    expect(plain.stdout).not.toContain(ESCAPE)
  })

  it('tx shows what is known of a transaction: its failure in words, its looks, its events and where they went', async () => {
    const hook = await startHook()
    try {
      await fetch(`${running.url}/v1/webhooks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url: hook.url, kinds: ['shop'] }),
      })
      const txHash = randomHash()
      world.node.include(txHash, { succeeded: false, txError: '0x7' })
      const id = await settled(txHash, 'failed', 'shop')
      await until('it is delivered', async () => {
        const row = await world.db('confirmd.webhook_deliveries').first('status')
        return row?.status === 'delivered'
      })
      const byHash = await confirmd('tx', txHash.toUpperCase().replace('0X', '0x'))
      expect(byHash.code).toBe(0)
      for (const part of [id, 'out of gas (0x7)', 'final receipt', 'failed', 'delivered', hook.url]) {
        expect(byHash.stdout).toContain(part)
      }
      const byId = await confirmd('tx', id, '--json')
      expect(JSON.parse(byId.stdout)).toMatchObject({
        transactions: [
          {
            id,
            txHash,
            status: 'failed',
            failure: { name: 'out of gas' },
            looks: [{ saw: 'receipt', outcome: 'failed' }],
            events: [{ status: 'failed', deliveries: [{ url: hook.url, status: 'delivered' }] }],
            diagnosis: null,
          },
        ],
      })
    } finally {
      await hook.stop()
    }
  })

  it('tx says of an open one why it is where it is', async () => {
    const id = await settled(randomHash(), 'stalled')
    const { stdout } = await confirmd('tx', id)
    expect(stdout).toContain('no node knows it')
    expect(stdout).toMatch(/^why$/m)
    const { transactions } = JSON.parse((await confirmd('tx', id, '--json')).stdout) as {
      transactions: { diagnosis: { findings: unknown[] } }[]
    }
    expect(transactions[0]?.diagnosis.findings).not.toEqual([])
  })

  it('tx shows a hash on every chain on which it is known', async () => {
    const txHash = randomHash()
    const id = await settled(txHash, 'stalled')
    await world.db.raw(
      `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload, status, next_check_at)
       VALUES (gen_random_uuid(), 'other', ?, 'default', 'null', 'expired', NULL)`,
      [txHash],
    )
    const { stdout } = await confirmd('tx', txHash)
    expect(stdout).toMatch(/chain +kaia/)
    expect(stdout).toMatch(/chain +other/)
    const json = JSON.parse((await confirmd('tx', txHash, '--json')).stdout) as {
      transactions: { id: string }[]
    }
    expect(json.transactions).toHaveLength(2)
    expect(json.transactions.map((each) => each.id)).toContain(id)
  })

  it('tx that is not known: exit 1 and a message; no id or hash at all: 64', async () => {
    const unknown = await confirmd('tx', randomHash())
    expect(unknown).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('is recorded') })
    const json = await confirmd('tx', '00000000-0000-7000-8000-000000000000', '--json')
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toEqual({ transactions: [] })
    expect(await confirmd('tx', '0x12')).toMatchObject({ code: 64, stderr: expect.stringContaining('0x12') })
  })

  it('recheck looks again by id or hash, and says by its exit code that one was final or unknown', async () => {
    const late = randomHash()
    const id = await settled(late, 'stalled')
    world.node.include(late)
    const rechecked = await confirmd('recheck', id)
    expect(rechecked).toMatchObject({ code: 0, stdout: expect.stringContaining('is looked at again') })
    await untilStatus(world.db, late, 'confirmed')
    const unknown = '00000000-0000-7000-8000-000000000000'
    const mixed = await confirmd('recheck', late, unknown, '--json')
    expect(mixed.code).toBe(1)
    expect(JSON.parse(mixed.stdout)).toEqual({
      results: [
        { id, txHash: late, outcome: 'final', status: 'confirmed' },
        { id: unknown, txHash: null, outcome: 'not-found', status: null },
      ],
    })
    expect((await confirmd('recheck')).code).toBe(64)
    expect((await confirmd('recheck', id, '--parked')).code).toBe(64)
    expect((await confirmd('recheck', '--status', 'confirmed')).code).toBe(64)
  })

  it('watch writes each outcome as it is decided as a line of JSON, and SIGINT ends it with 0', async () => {
    await settled(randomHash(), 'stalled')
    const watching = startCommand(['watch'], { environment: world.environment })
    const hashes = Array.from({ length: 5 }, randomHash)
    const lines = () =>
      watching
        .stdout()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as CloudEvent)
    await until('it watches', async () => {
      // Only what comes after its start is shown.
      await settled(randomHash(), 'stalled', 'begin')
      return watching.stdout().endsWith('\n')
    })
    for (const txHash of hashes) world.node.include(txHash)
    await Promise.all(hashes.map((txHash) => settled(txHash, 'confirmed')))
    await until('all are written', () => hashes.every((txHash) => watching.stdout().includes(txHash)))
    watching.child.kill('SIGINT')
    expect(await watching.ended).toMatchObject({ code: 0, stderr: '' })
    const seen = lines().filter(({ subject }) => hashes.includes(subject))
    expect(seen.map(({ type }) => type)).toEqual(hashes.map(() => 'confirmd.transaction.confirmed.v1'))
    const sequences = lines().map(({ sequence }) => sequence)
    expect(sequences).toEqual([...new Set(sequences)].sort())
  })

  it('watch draws the status over itself on a terminal, and gives the cursor back', async () => {
    const watching = onTerminal('watch')
    const drawn = () => watching.stdout().split('processes').length - 1
    await until('it has drawn twice', () => drawn() >= 2)
    watching.type('\u0003')
    const { code, stdout } = await watching.ended
    expect(code).toBe(0)
    expect(stdout.trimStart().startsWith(`${ESCAPE}[?25l`)).toBe(true)
    expect(stdout.trimEnd().endsWith(SHOWS_CURSOR)).toBe(true)
  })
})

describe('the recheck of many', () => {
  const COUNT = 450

  beforeEach(async () => {
    await world.db('confirmd.transaction_history').delete()
    await world.db.raw(
      `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload, status, next_check_at)
       SELECT gen_random_uuid(), chain, '0x' || lpad(to_hex(n), 64, '0'), 'default', 'null', 'stalled', NULL
         FROM generate_series(1, ${COUNT}) AS n, (VALUES ('kaia'), ('other')) AS given (chain)
        WHERE chain = 'kaia' OR n = 1`,
    )
  })

  it('takes all of a state, in batches, and only those of its chain', async () => {
    const { code, stdout } = await confirmd('recheck', '--status', 'stalled')
    expect({ code, stdout }).toEqual({ code: 0, stdout: `rechecked ${COUNT} transactions\n` })
    const rows = await world
      .db('confirmd.transaction_history')
      .select('chain', 'status')
      .groupBy('chain', 'status')
    expect(rows).toEqual(
      expect.arrayContaining([
        { chain: 'kaia', status: 'pending' },
        { chain: 'other', status: 'stalled' },
      ]),
    )
    expect(rows).toHaveLength(2)
    const none = await confirmd('recheck', '--status', 'stalled')
    expect(none).toMatchObject({ code: 0, stdout: 'there are no stalled transactions\n' })
  })

  it('takes those that are parked', async () => {
    await world
      .db('confirmd.transaction_history')
      .where({ chain: 'kaia' })
      .update({ status: 'pending', parked_at: new Date() })
    const { stdout } = await confirmd('recheck', '--parked', '--json')
    expect((JSON.parse(stdout) as { results: unknown[] }).results).toHaveLength(COUNT)
    expect(await world.db('confirmd.transaction_history').whereNotNull('parked_at')).toEqual([])
  })

  it('asks on a terminal, unless told not to', async () => {
    const asked = onTerminal('recheck', '--status', 'stalled')
    expect((await answerQuestion(asked, `look again at ${COUNT} stalled transactions?`, 'n')).code).toBe(1)
    expect(await world.db('confirmd.transaction_history').where({ status: 'pending' })).toEqual([])
    const told = await onTerminal('recheck', '--status', 'stalled', '--yes').ended
    expect(told).toMatchObject({ code: 0, stdout: expect.stringContaining(`rechecked ${COUNT}`) })
    expect(told.stdout).toContain('#')
  })
})

it('without RabbitMQ, parked shows and unparks transactions, and says that there are no messages', async () => {
  await world.db('confirmd.transaction_history').delete()
  await world.db.raw(
    `INSERT INTO confirmd.transaction_history (id, chain, tx_hash, kind, payload, parked_at, last_error)
     VALUES (gen_random_uuid(), 'kaia', '${randomHash()}', 'shop', 'null', now(), 'the shop is closed')`,
  )
  const { stdout } = await confirmd('parked', 'list')
  expect(stdout).toContain('AMQP_URL is not set')
  expect(stdout).toContain('the shop is closed')
  expect(await confirmd('parked', 'drop', '--all', '--yes')).toMatchObject({ code: 78 })
  const requeued = await confirmd('parked', 'requeue', '--all')
  expect(requeued).toMatchObject({ code: 0, stdout: expect.stringContaining('unparked 1 transaction') })
  const json = await confirmd('parked', 'list', '--json')
  expect(JSON.parse(json.stdout)).toEqual({
    messageCount: null,
    messages: null,
    transactionCount: 0,
    transactions: [],
  })
})

it('prune shows how far it has come on a terminal and nothing on a pipe', async () => {
  const shown = await onTerminal('prune', '--older-than', '90d').ended
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('0 transactions pruned') })
  const piped = await confirmd('prune', '--older-than', '90d')
  expect(piped).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringContaining('pruned 0 transactions'),
  })
})

describe('what the commands need', () => {
  it.each(['status', 'watch', 'parked list', 'recheck --parked', `tx ${randomHash()}`])(
    '%s: without DATABASE_URL it says what to set; with a database that is away, what is away',
    async (command) => {
      const folder = await createTemporaryFolder()
      try {
        const started = startCommand(command.split(' '), { workingDirectory: folder.path })
        expect(await started.ended).toMatchObject({ code: 78, stderr: expect.stringContaining('set it to') })
      } finally {
        await folder.remove()
      }
      const url = `postgres://owner:${SECRET}@127.0.0.1:1/orders`
      const { code, stdout, stderr } = await runCommand(command.split(' '), { DATABASE_URL: url })
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('ECONNREFUSED') })
      expect(stdout + stderr).not.toContain(SECRET)
    },
  )

  it('where start runs with its embedded database, they find it', async () => {
    const folder = await createTemporaryFolder()
    const environment = { DATABASE_URL: '', AMQP_URL: '', RPC_URLS: world.node.url }
    const started = await startRole('start', environment, { workingDirectory: folder.path })
    try {
      const txHash = randomHash()
      await register(started.url, { txHash })
      const found = await startCommand(['tx', txHash], { workingDirectory: folder.path }).ended
      expect(found).toMatchObject({ code: 0, stdout: expect.stringContaining('pending') })
    } finally {
      await started.stop()
      const gone = await startCommand(['status'], { workingDirectory: folder.path }).ended
      expect(gone.code).toBe(78)
      await folder.remove()
    }
  })

  it('an unknown command or option: exit 64; help names the exit codes', async () => {
    expect((await confirmd('unknown')).code).toBe(64)
    expect((await confirmd('status', '--unknown')).code).toBe(64)
    expect(await confirmd('--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Exit codes: 0'),
    })
  })
})
