import { afterEach, beforeEach, expect, it } from 'vitest'
import { openParkedQueue } from '../../src/broker/parked.ts'
import { PARK_REASON_HEADER } from '../../src/broker/rabbit.ts'
import { openSession } from '../../src/broker/session.ts'
import { assertTopology, type BrokerNames, brokerNames, topologyOf } from '../../src/broker/topology.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { answerQuestion, runCommand, startCommand } from '../support/command.ts'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { startMutedBroker } from '../support/muted-broker.ts'
import { countOrders, createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

let world: World
let names: BrokerNames

/** As it is parked: with a reason, in this order. */
async function park(...contents: string[]): Promise<void> {
  await withChannel(amqpUrl(), async (channel) => {
    await assertTopology(channel, topologyOf(world.prefix, [100, 200]))
    for (const [index, content] of contents.entries()) {
      channel.publish(names.deadExchange, names.poisonKey, Buffer.from(content), {
        persistent: true,
        messageId: `message-${index}`,
        headers: { [PARK_REASON_HEADER]: `reason ${index}` },
      })
    }
    // The connection's own close may overtake them.
    await channel.close()
  })
  await until('all are parked', async () => (await depth(names.parkedQueue)) === contents.length)
}

function depth(queue: string): Promise<number> {
  return withChannel(amqpUrl(), async (channel) => (await channel.checkQueue(queue)).messageCount)
}

function confirmd(...parameters: string[]) {
  return runCommand(parameters, world.environment)
}

interface Listed {
  messageCount: number | null
  messages: { messageId: string; reason: string; content: string }[] | null
  transactionCount: number
  transactions: { id: string; txHash: string; lastError: string }[]
}

async function listed(): Promise<Listed> {
  const { code, stdout } = await confirmd('parked', 'list', '--json')
  expect(code).toBe(0)
  return JSON.parse(stdout) as Listed
}

describeWithBroker('parked', () => {
  beforeEach(async () => {
    world = await createWorld('rabbitmq', { HANDLERS: ORDER_HANDLERS, HANDLER_RETRY_LIMIT: '1' })
    names = brokerNames(world.prefix)
  })
  afterEach(() => world.close())

  it('list shows messages with their reasons, whole with --json, and leaves them where they are', async () => {
    const long = JSON.stringify({ nonsense: 'x'.repeat(300) })
    await park('first\u001b[31m', long, 'third')
    const { code, stdout } = await confirmd('parked', 'list')
    expect(code).toBe(0)
    expect(stdout).toContain(`3 messages in ${names.parkedQueue}`)
    expect(stdout).toContain('reason 1')
    expect(stdout).not.toContain(long)
    expect(stdout).toContain('first\\u001b[31m')
    expect(stdout).not.toContain('\u001b')
    const first = await listed()
    expect(first.messageCount).toBe(3)
    expect(first.messages?.map(({ content }) => content)).toEqual(['first\u001b[31m', long, 'third'])
    expect(first.messages?.map(({ reason }) => reason)).toEqual(['reason 0', 'reason 1', 'reason 2'])
    expect(await listed()).toEqual(first)
    const limited = await confirmd('parked', 'list', '--limit', '1')
    expect(limited.stdout).toContain('and 2 more')
    expect(await depth(names.parkedQueue)).toBe(3)
  })

  it('looking again and again loses nothing where the broker gives up after 20 deliveries', async () => {
    const { queues, exchanges, bindings } = topologyOf(world.prefix, [100, 200])
    await withChannel(amqpUrl(), async (channel) => {
      // What RabbitMQ 4 does with a queue that sets no limit.
      const limited = queues.map((queue) =>
        queue.name === names.parkedQueue
          ? { ...queue, arguments: { ...queue.arguments, 'x-delivery-limit': 20 } }
          : queue,
      )
      await assertTopology(channel, { queues: limited, exchanges, bindings })
      for (const content of ['one', 'two', 'three']) {
        channel.publish(names.deadExchange, names.poisonKey, Buffer.from(content), { messageId: content })
      }
      await channel.close()
    })
    const session = await openSession([amqpUrl()], world.prefix, 'test')
    try {
      for (let round = 0; round < 45; round += 1) {
        const queue = await openParkedQueue(session, world.prefix)
        const seen: (string | null)[] = []
        await until('all are there', async () => {
          for (let next = await queue.next(); next; next = await queue.next()) {
            seen.push(`${next.messageId} ${next.content.toString()}`)
          }
          return seen.length === 3
        })
        await queue.close()
        expect(seen).toEqual(['one one', 'two two', 'three three'])
      }
    } finally {
      await session.close()
    }
  })

  it('requeue of a transaction unparks it and has it checked again', async () => {
    await createOrderTables(world.db)
    await world.db('refusals').insert({ reason: 'test' })
    const { url } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    const { body } = await register(url, { txHash, kind: 'picky' })
    await untilRow(world.db, txHash, 'parked', (row) => row['parked_at'] !== null)
    const before = await listed()
    expect(before.transactions).toMatchObject([
      { id: body.id, txHash, lastError: expect.stringContaining('refused') },
    ])
    await world.db('refusals').delete()
    const { code, stdout } = await confirmd('parked', 'requeue', body.id)
    expect(stdout).toContain('unparked 1 transaction')
    expect(code).toBe(0)
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
    expect(await listed()).toMatchObject({ messageCount: 0, transactionCount: 0 })
  })

  it('requeue takes so many from the head, one by its id, or all; what it does not mean stays', async () => {
    const hashes = Array.from({ length: 4 }, randomHash)
    await park(...hashes.map((txHash) => JSON.stringify({ txHash })))
    expect((await confirmd('parked', 'requeue', '1')).stdout).toContain('requeued 1 message')
    expect((await confirmd('parked', 'requeue', 'message-2')).code).toBe(0)
    expect((await confirmd('parked', 'requeue', hashes[3] ?? '')).code).toBe(0)
    expect((await listed()).messages?.map(({ messageId }) => messageId)).toEqual(['message-1'])
    expect(await depth(names.checkQueue)).toBe(3)
    const nothing = await confirmd('parked', 'requeue', 'message-9')
    expect(nothing).toMatchObject({ code: 1, stderr: expect.stringContaining('message-9') })
    expect((await confirmd('parked', 'requeue')).code).toBe(64)
    expect((await confirmd('parked', 'requeue', '1', '--all')).code).toBe(64)
    const all = await confirmd('parked', 'requeue', '--all', '--json')
    expect(JSON.parse(all.stdout)).toMatchObject({ messages: [{ messageId: 'message-1' }], transactions: [] })
    expect(await depth(names.checkQueue)).toBe(4)
    expect(await depth(names.parkedQueue)).toBe(0)
  })

  it('requeue that is killed between publish and ack loses nothing', async () => {
    const txHash = randomHash()
    await park(JSON.stringify({ txHash }))
    const broker = await startMutedBroker(amqpUrl(), txHash)
    try {
      const environment = { ...world.environment, AMQP_URL: broker.url }
      const command = startCommand(['parked', 'requeue', '--all'], { environment })
      await until('it is published', async () => (await depth(names.checkQueue)) === 1)
      expect(broker.isMute()).toBe(true)
      command.child.kill('SIGKILL')
      await command.ended
    } finally {
      await broker.close()
    }
    await until('it is parked again', async () => (await depth(names.parkedQueue)) === 1)
    expect(await depth(names.checkQueue)).toBe(1)
  })

  it('requeue keeps what the broker would not take', async () => {
    await park(JSON.stringify({ txHash: randomHash() }))
    await withChannel(amqpUrl(), (channel) =>
      channel.unbindQueue(names.checkQueue, names.directExchange, names.checkKey),
    )
    const { code, stderr } = await confirmd('parked', 'requeue', '--all')
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('no queue is bound') })
    await until('it is parked again', async () => (await depth(names.parkedQueue)) === 1)
  })

  it('drop takes away what it is told, after a yes, and prints it', async () => {
    await park('one', 'two', 'three')
    const refused = await confirmd('parked', 'drop', '--all')
    expect(refused).toMatchObject({ code: 64, stderr: expect.stringContaining('--yes') })
    const asked = startCommand(['parked', 'drop', '--all'], {
      environment: world.environment,
      terminal: true,
    })
    expect((await answerQuestion(asked, 'drop 3 messages?', 'n')).code).toBe(1)
    expect(await depth(names.parkedQueue)).toBe(3)
    const dropped = await confirmd('parked', 'drop', 'message-1', '--yes')
    expect(dropped.code).toBe(0)
    expect(JSON.parse(dropped.stdout)).toEqual({
      messageId: 'message-1',
      correlationId: null,
      reason: 'reason 1',
      content: 'two',
    })
    const rest = await confirmd('parked', 'drop', '--all', '--yes', '--json')
    expect(JSON.parse(rest.stdout)).toMatchObject({ dropped: [{ content: 'one' }, { content: 'three' }] })
    expect(await depth(names.parkedQueue)).toBe(0)
  })

  it('without a parked queue it says so', async () => {
    const { code, stderr } = await confirmd('parked', 'list')
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(names.parkedQueue) })
  })
})
