import { connect } from 'amqplib'
import { brokerNames } from '../../src/broker/topology.ts'
import type { Lifecycle } from '../../src/lifecycle.ts'

/** What is kept of an announced event. */
export interface AnnouncedEvent {
  readonly id: string
  readonly chain: string
}

/** Hears everything that the events exchange of a prefix announces, with a queue of its own; ends with the drill. */
export async function listenToExchange(
  lifecycle: Lifecycle,
  brokerUrl: string,
  prefix: string,
): Promise<readonly AnnouncedEvent[]> {
  const { eventsExchange } = brokerNames(prefix)
  const connection = await connect(brokerUrl)
  lifecycle.add(`listener to ${eventsExchange}`, () => connection.close())
  const channel = await connection.createChannel()
  await channel.assertExchange(eventsExchange, 'topic', { durable: true })
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, eventsExchange, '#')
  const heard: AnnouncedEvent[] = []
  await channel.consume(
    queue,
    (message) => {
      if (!message) return
      const { id, data } = JSON.parse(message.content.toString()) as { id: string; data: { chain: string } }
      heard.push({ id, chain: data.chain })
    },
    { noAck: true },
  )
  return heard
}
