import { randomUUID } from 'node:crypto'
import type { Channel, ConfirmChannel, GetMessage } from 'amqplib'
import { correlationIdOf } from './correlation-id.ts'
import { PublishError } from './publisher.ts'
import { PARK_REASON_HEADER } from './rabbit.ts'
import type { BrokerSession } from './session.ts'
import { brokerNames } from './topology.ts'
import { within } from './within.ts'

/** A message that was set aside, held by us: nobody else gets it until it is let go. */
export interface ParkedMessage {
  /** Stays the same for as long as it is parked. Null: its publisher gave it none. */
  readonly messageId: string | null
  readonly correlationId: string | null
  /** Why it was set aside. */
  readonly reason: string
  readonly content: Buffer
}

/** The parked queue, read from its head. */
export interface ParkedQueue {
  /** Messages that nobody holds. */
  count(): Promise<number>
  /** Takes the next one, to look at it; null if there is none. It stays in the queue unless it is requeued or dropped. */
  next(): Promise<ParkedMessage | null>
  /** Sends it to be checked again, and takes it out of the queue once the broker has it. */
  requeue(message: ParkedMessage): Promise<void>
  /** Takes it out of the queue. */
  drop(message: ParkedMessage): void
  /** Lets go of all others, which are in the queue as before. */
  close(): Promise<void>
}

/**
 * RabbitMQ 4 throws away what was handed out more than 20 times where a queue sets no limit, and the parked queue sets
 * none. So what was looked at this often is replaced by a copy of itself, which begins at 0.
 */
const DELIVERIES_TO_RENEW = 10
const CONFIRM_TIMEOUT_MS = 10_000

export async function openParkedQueue(session: BrokerSession, prefix: string): Promise<ParkedQueue> {
  const names = brokerNames(prefix)
  const channel = await session.model.createConfirmChannel()
  let failure: Error | null = null
  channel.on('error', (error: Error) => {
    failure = error
  })
  const held = new Map<ParkedMessage, GetMessage>()

  /** Published first and only then acked: whoever is killed between the two leaves it twice, never not at all. */
  async function move(message: ParkedMessage, exchange: string, routingKey: string, headers: object) {
    const { content, messageId, correlationId } = message
    await publishConfirmed(channel, exchange, routingKey, content, {
      messageId: messageId ?? randomUUID(),
      headers,
      ...(correlationId === null ? {} : { correlationId }),
    })
    settle(message)
  }

  function settle(message: ParkedMessage): void {
    const taken = held.get(message)
    if (!taken) throw new Error('the parked message is not held any more')
    channel.ack(taken)
    held.delete(message)
  }

  return {
    count: () => countMessages(channel, names.parkedQueue),
    next: async () => {
      const got = await channel.get(names.parkedQueue, { noAck: false })
      if (got === false) return null
      const message = toParked(got)
      held.set(message, got)
      return message
    },
    requeue: (message) => move(message, names.directExchange, names.checkKey, {}),
    drop: settle,
    close: async () => {
      // All or none, so that they keep their order.
      if ([...held.values()].some((got) => deliveriesOf(got) >= DELIVERIES_TO_RENEW)) {
        for (const message of [...held.keys()]) {
          const headers = { [PARK_REASON_HEADER]: message.reason }
          await move(message, names.deadExchange, names.poisonKey, headers)
        }
      }
      // The broker puts back, in their order, what was not acked; it answers the close after the acks before it.
      await channel.close().catch((error: unknown) => {
        throw failure ?? error
      })
    },
  }
}

/** One at a time, so that what the broker returns is what was just sent. */
async function publishConfirmed(
  channel: ConfirmChannel,
  exchange: string,
  routingKey: string,
  content: Buffer,
  properties: object,
): Promise<void> {
  let isReturned = false
  const onReturn = () => {
    isReturned = true
  }
  channel.on('return', onReturn)
  try {
    const confirmed = new Promise<void>((resolve, reject) => {
      const options = { persistent: true, mandatory: true, contentType: 'application/json', ...properties }
      channel.publish(exchange, routingKey, content, options, (error: unknown) => {
        if (error) reject(new PublishError('the broker did not take the message', { cause: error }))
        else resolve()
      })
    })
    await within(CONFIRM_TIMEOUT_MS, confirmed, () => {
      return new PublishError(`no confirm within ${CONFIRM_TIMEOUT_MS} ms`)
    })
    if (isReturned) throw new PublishError(`no queue is bound to ${exchange} with key ${routingKey}`)
  } finally {
    channel.off('return', onReturn)
  }
}

async function countMessages(channel: Channel, queue: string): Promise<number> {
  try {
    return (await channel.checkQueue(queue)).messageCount
  } catch (error) {
    if ((error as { code?: unknown }).code !== 404) throw error
    throw new Error(`there is no queue '${queue}': is AMQP_PREFIX right? An api or a worker declares it`, {
      cause: error,
    })
  }
}

function toParked(got: GetMessage): ParkedMessage {
  const { content, properties } = got
  const given: unknown = properties.headers?.[PARK_REASON_HEADER]
  const messageId: unknown = properties.messageId
  return {
    messageId: typeof messageId === 'string' ? messageId : null,
    correlationId: correlationIdOf(got),
    reason: typeof given === 'string' ? given : `set aside by the broker (${brokersReason(got)})`,
    content,
  }
}

/** Why the broker dead-lettered it, such as `delivery_limit`. */
function brokersReason({ properties }: GetMessage): string {
  return properties.headers?.['x-first-death-reason'] ?? 'no reason given'
}

function deliveriesOf({ properties }: GetMessage): number {
  return Number(properties.headers?.['x-delivery-count'] ?? 0)
}
