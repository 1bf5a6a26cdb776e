import { randomUUID } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { ChannelModel } from 'amqplib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type BrokerConnection, openConnection } from '../../src/broker/connection.ts'
import { openRabbit } from '../../src/broker/rabbit.ts'
import { openSession } from '../../src/broker/session.ts'
import { freeRestartablePort, listenOnLoopback } from '../../src/dev/ports.ts'
import { findRabbitmqServer } from '../../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { amqpUrl, describeWithBroker, uniquePrefix } from '../support/broker.ts'
import { type MutedBroker, startMutedBroker } from '../support/muted-broker.ts'
import { startRabbitmqCluster } from '../support/rabbitmq-cluster.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const DELAY_MS = 2_000

interface Line {
  readonly host?: string
  readonly message: string
}

function createLines() {
  const lines: Line[] = []
  const add = (fields: object, message: string) => void lines.push({ ...fields, message })
  const hostsOf = (message: string) =>
    lines.filter((line) => line.message === message).map(({ host }) => host)
  return { log: { info: add, warn: add }, hostsOf }
}

/** Keeps the hosts in the order in which they are given. */
const IN_ORDER = () => 0.5

describeWithBroker('a connection to one of several hosts', () => {
  let silent: Server
  let sockets: Socket[]
  let lines: ReturnType<typeof createLines>
  let connection: BrokerConnection | null
  let proxies: MutedBroker[]
  beforeEach(() => {
    sockets = []
    silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)))
    lines = createLines()
    connection = null
    proxies = []
  })
  afterEach(async () => {
    await connection?.close()
    await Promise.all(proxies.map((proxy) => proxy.close()))
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  function open(urls: readonly [string, ...string[]], setup = async (_: ChannelModel) => undefined): void {
    connection = openConnection({
      ...{ urls, setup, purpose: 'test', log: lines.log, random: IN_ORDER },
      limits: { connectMs: 500, setupMs: 500 },
      onFatal: (error) => {
        throw error
      },
    })
  }

  const hostOf = (url: string) => new URL(url).host
  const atPort = (port: number) => `amqp://guest:guest@127.0.0.1:${port}`

  it('passes by one where nothing listens and one that accepts and is silent', async () => {
    const dead = atPort(await freeRestartablePort())
    const mute = atPort(await listenOnLoopback(silent))
    open([dead, mute, amqpUrl()])
    await until('it is connected', () => connection?.isConnected())
    expect(lines.hostsOf('broker not reached; trying the next host')).toEqual([dead, mute].map(hostOf))
    expect(lines.hostsOf('broker connected')).toEqual([hostOf(amqpUrl())])
  })

  it('leaves one that takes the connection and does not let it be set up', async () => {
    const mute = await startMutedBroker(amqpUrl(), 'no-such-queue')
    proxies.push(mute)
    open([mute.url, amqpUrl()], async (model) => {
      const channel = await model.createChannel()
      channel.on('error', () => undefined)
      await channel.checkQueue('no-such-queue').catch((error: { code?: number }) => {
        if (error.code !== 404) throw error
      })
    })
    await until('it is connected', () => connection?.isConnected())
    expect(mute.isMute()).toBe(true)
    expect(lines.hostsOf('broker connected')).toEqual([hostOf(amqpUrl())])
  })

  it('tries all of them again and again while none is there', async () => {
    const urls = [atPort(await freeRestartablePort()), atPort(await freeRestartablePort())] as const
    open(urls)
    await until('all have failed twice', () => lines.hostsOf('broker not reached; trying again').length === 2)
    const [one, other] = urls.map(hostOf)
    expect(lines.hostsOf('broker not reached; trying the next host')).toEqual([one, one])
    expect(lines.hostsOf('broker not reached; trying again')).toEqual([other, other])
  })

  it('goes on at the next one when it is lost, and back again', async () => {
    for (const _ of [1, 2]) proxies.push(await startMutedBroker(amqpUrl(), 'never sent'))
    const [first, second] = proxies as [MutedBroker, MutedBroker]
    open([first.url, second.url])
    for (const [count, proxy] of [first, second, first].entries()) {
      await until('it is connected', () => lines.hostsOf('broker connected').length === count + 1)
      proxy.disconnect()
    }
    await until('it is connected', () => lines.hostsOf('broker connected').length === 4)
    const hosts = [first, second, first, second].map(({ url }) => hostOf(url))
    expect(lines.hostsOf('broker connected')).toEqual(hosts)
  })
})

describeWithBroker('a command', () => {
  it('uses the first host that answers, and says of each that does not why', async () => {
    const dead = await Promise.all([freeRestartablePort(), freeRestartablePort()])
    const [one, other] = dead.map((port) => `amqp://guest:very-secret@127.0.0.1:${port}`) as [string, string]
    const prefix = uniquePrefix()
    const session = await openSession([one, amqpUrl()], prefix, 'test')
    await session.close()
    const failure: unknown = await openSession([one, other], prefix, 'test').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(AggregateError)
    const messages = (failure as AggregateError).errors.map(({ message }: Error) => message)
    expect(messages).toEqual(
      dead.map((port) => expect.stringContaining(`127.0.0.1:${port}: connect ECONNREFUSED`)),
    )
    expect(messages.join()).not.toContain('very-secret')
  })
})

describeWithBroker('a cluster that loses the node that is connected to', () => {
  it('keeps what waits and what is published, at another node', { timeout: 180_000 }, async () => {
    const serverPath = await findRabbitmqServer()
    if (!serverPath) throw new Error('this test starts its own brokers: install rabbitmq-server')
    const folder = await createTemporaryFolder()
    const cluster = await startRabbitmqCluster(serverPath, folder.path, 3)
    const lines = createLines()
    const [first, ...others] = cluster.nodes.map(({ url }) => url)
    const rabbit = openRabbit({
      urls: [first ?? '', ...others],
      prefix: 'TX',
      chain: 'kaia',
      retryDelaysMs: [DELAY_MS],
      prefetch: 10,
      checkHealth: async () => undefined,
      log: lines.log,
      onFatal: (error) => {
        throw error
      },
    })
    try {
      const seen = new Map<string, number>()
      await rabbit.queue.consume(async ({ message }) => {
        if (message.kind !== 'check') throw new Error(`a message that is no check: ${message.kind}`)
        const { check } = message
        const times = (seen.get(check.id) ?? 0) + 1
        seen.set(check.id, times)
        return times === 1 ? { kind: 'wait', check, delayMs: DELAY_MS } : { kind: 'ack' }
      })
      const ids = Array.from({ length: 20 }, () => randomUUID())
      for (const id of ids) await rabbit.queue.publish(checkOf(id))
      await until('all of them wait', () => ids.every((id) => seen.has(id)))
      const connected = lines.hostsOf('broker connected')
      const lost = cluster.nodes.find(({ url }) => new URL(url).host === connected[0])
      await lost?.kill()
      const later = randomUUID()
      await until('a check is published', () =>
        rabbit.queue.publish(checkOf(later)).then(
          () => true,
          () => false,
        ),
      )
      await until('all have come back', () => [...ids, later].every((id) => (seen.get(id) ?? 0) >= 2), 60_000)
      expect(lines.hostsOf('broker connected').length).toBeGreaterThan(connected.length)
    } finally {
      await rabbit.queue.stopConsuming()
      await rabbit.queue.close()
      await cluster.stop()
      await folder.remove()
    }
  })
})

function checkOf(id: string) {
  return { id, chain: 'kaia', txHash: randomHash(), retryCount: 0, dueAt: null, correlationId: null }
}
