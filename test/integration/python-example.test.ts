import { afterEach, beforeEach, expect, it } from 'vitest'
import { brokerNames } from '../../src/broker/topology.ts'
import { type Leashed, startLeashed } from '../../src/dev/leashed.ts'
import type { CloudEvent } from '../../src/domain/event.ts'
import type { TransactionView } from '../../src/domain/transaction-view.ts'
import { amqpUrl } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { createWorld, untilStatus, type World } from '../support/confirmd.ts'
import { departures, pythonExample } from '../support/messages-document.ts'
import { describeWithPika, pikaPython } from '../support/pika.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

describeWithPika('the Python of docs/messages.md', () => {
  let world: World
  let queue: string
  let python: Leashed | null
  let printed: string

  beforeEach(async () => {
    world = await createWorld('rabbitmq', { RETRY_LIMIT: '100' })
    queue = `shop.${world.prefix}.outcomes`
    python = null
    printed = ''
  })
  afterEach(async () => {
    await python?.stop()
    await withChannel(amqpUrl(), (channel) => channel.deleteQueue(queue))
    await world.close()
  })

  function startPython(txHash: string): Leashed {
    python = startLeashed({
      command: pikaPython(),
      parameters: ['-c', pythonExample, amqpUrl(), world.prefix, txHash],
      stopSignal: 'SIGTERM',
      onOutput: (text) => {
        printed += text
      },
    })
    return python
  }

  it('has a hash checked and receives its outcome', async () => {
    await world.start('worker')
    const [txHash, other] = [randomHash(), randomHash()]
    const { directExchange, checkKey, checkQueue } = brokerNames(world.prefix)
    await withChannel(amqpUrl(), async (channel) => {
      const { queue: copies } = await channel.assertQueue('', { exclusive: true })
      await channel.bindQueue(copies, directExchange, checkKey)
      const running = startPython(txHash)
      const sent = await until('it has published', () => {
        if (!running.isRunning()) throw new Error(`it ended early:\n${running.output()}`)
        return channel.get(copies, { noAck: true })
      })
      expect(departures('registration', JSON.parse(sent.content.toString()))).toEqual([])
      expect(sent.properties).toMatchObject({ deliveryMode: 2, contentType: 'application/json' })
      // Somebody else's outcome, which it receives too, and goes on.
      world.node.include(other)
      channel.publish(directExchange, checkKey, Buffer.from(JSON.stringify({ txHash: other })))
      await untilStatus(world.db, other, 'confirmed')
      world.node.include(txHash)
      expect(await running.ended, running.output()).toBe(0)

      const lines = printed.trim().split('\n')
      const events = lines.map((line) => JSON.parse(line) as CloudEvent<TransactionView>)
      for (const event of events) expect(departures('event', event)).toEqual([])
      expect(events.map(({ subject, type }) => [subject, type])).toEqual([
        [other, 'confirmd.transaction.confirmed.v1'],
        [txHash, 'confirmd.transaction.confirmed.v1'],
      ])
      expect(events[1]?.data).toMatchObject({ status: 'confirmed', payload: { orderId: '42' } })
      const row = await untilStatus(world.db, txHash, 'confirmed')
      expect(row).toMatchObject({ id: events[1]?.data.id, kind: 'order.mint', correlation_id: 'order-42' })
      // Both are acknowledged; its queue is still there for what comes while it does not run.
      const isEmpty = async (name: string) => (await channel.checkQueue(name)).messageCount === 0
      await until('its queue is empty', () => isEmpty(queue))
      await until('nothing is left to check', () => isEmpty(checkQueue))
    })
  })

  it('fails where no confirmd has declared the exchanges, before it publishes', async () => {
    const running = startPython(randomHash())
    expect(await running.ended).not.toBe(0)
    expect(running.output()).toContain(`no exchange '${world.prefix}.E.EVENTS'`)
  })
})
