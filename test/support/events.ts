import { connect } from 'amqplib'
import { brokerNames } from '../../src/broker/topology.ts'
import type { CloudEvent } from '../../src/domain/event.ts'
import type { TransactionView } from '../../src/domain/transaction-view.ts'
import { amqpUrl } from './broker.ts'

export interface HeardEvent {
  readonly routingKey: string
  readonly contentType: unknown
  readonly messageId: unknown
  readonly event: CloudEvent<TransactionView>
}

/** A service that listens to the events exchange. */
export interface Listener {
  readonly heard: readonly HeardEvent[]
  stop(): Promise<void>
}

/** Listens with a queue of its own; the exchange must be there. */
export async function listen(prefix: string, pattern = '#', url = amqpUrl()): Promise<Listener> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  const { eventsExchange } = brokerNames(prefix)
  const heard: HeardEvent[] = []
  await channel.assertExchange(eventsExchange, 'topic', { durable: true })
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, eventsExchange, pattern)
  await channel.consume(
    queue,
    (message) => {
      if (!message) return
      heard.push({
        routingKey: message.fields.routingKey,
        contentType: message.properties.contentType,
        messageId: message.properties.messageId,
        event: JSON.parse(message.content.toString()) as HeardEvent['event'],
      })
    },
    { noAck: true },
  )
  return { heard, stop: () => connection.close() }
}
