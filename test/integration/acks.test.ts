import type { Channel, ConsumeMessage } from 'amqplib'
import { expect, it } from 'vitest'
import { createAcks } from '../../src/broker/acks.ts'
import { amqpUrl, describeWithBroker, uniquePrefix } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { until } from '../support/until.ts'

describeWithBroker('acks by range', () => {
  /** Has `count` messages delivered, answers some, and returns which of them come back after the channel is gone. */
  async function cameBack(
    count: number,
    answer: (
      acks: ReturnType<typeof createAcks>,
      messages: readonly ConsumeMessage[],
    ) => void | Promise<void>,
  ): Promise<string[]> {
    const queue = uniquePrefix()
    const errors: unknown[] = []
    await withChannel(amqpUrl(), async (channel) => {
      await channel.assertQueue(queue)
      for (let index = 0; index < count; index++) channel.sendToQueue(queue, Buffer.from(String(index)))
      await channel.checkQueue(queue)
    })
    try {
      await withChannel(amqpUrl(), async (channel) => {
        const acks = createAcks(channel, (error) => errors.push(error))
        const messages = await deliveredTo(channel, queue, count, acks.delivered)
        await answer(acks, messages)
        acks.flush()
        // Answered after everything that was sent before it on this channel.
        await channel.checkQueue(queue)
      })
      expect(errors).toEqual([])
      return await withChannel(amqpUrl(), (channel) => rest(channel, queue))
    } finally {
      await withChannel(amqpUrl(), (channel) => channel.deleteQueue(queue))
    }
  }

  async function deliveredTo(
    channel: Channel,
    queue: string,
    count: number,
    onMessage: (message: ConsumeMessage) => void,
  ): Promise<ConsumeMessage[]> {
    const messages: ConsumeMessage[] = []
    await channel.consume(queue, (message) => {
      if (!message) return
      onMessage(message)
      messages.push(message)
    })
    await until('all are delivered', () => messages.length >= count)
    return messages
  }

  async function rest(channel: Channel, queue: string): Promise<string[]> {
    const found: string[] = []
    for (let message = await channel.get(queue); message; message = await channel.get(queue)) {
      found.push(message.content.toString())
    }
    return found.sort((a, b) => Number(a) - Number(b))
  }

  const pick = (messages: readonly ConsumeMessage[], ...indexes: number[]) =>
    indexes.flatMap((index) => messages[index] ?? [])

  it('ack everything that is ready', async () => {
    expect(await cameBack(20, (acks, messages) => messages.forEach(acks.ack))).toEqual([])
  })

  it('never ack a message that is not ready, wherever among the others it is', async () => {
    const left = await cameBack(10, (acks, messages) => pick(messages, 9, 0, 1, 5, 2, 7, 6).forEach(acks.ack))
    expect(left).toEqual(['3', '4', '8'])
  })

  it('ack what becomes ready later, turn by turn', async () => {
    const left = await cameBack(6, async (acks, messages) => {
      for (const index of [4, 2, 0, 1]) {
        pick(messages, index).forEach(acks.ack)
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      }
    })
    expect(left).toEqual(['3', '5'])
  })

  it('answer a message that goes back to the queue once', async () => {
    const left = await cameBack(4, (acks, messages) => {
      pick(messages, 0, 2).forEach(acks.ack)
      pick(messages, 1).forEach(acks.requeue)
      pick(messages, 3).forEach(acks.ack)
    })
    expect(left).toEqual(['1'])
  })
})
