import type { Channel } from 'amqplib'
import type { RetryDelaysMs } from '../domain/schedule.ts'

export interface Exchange {
  readonly name: string
  readonly type: 'direct' | 'topic'
}

export interface Queue {
  readonly name: string
  readonly arguments: Readonly<Record<string, string | number>>
}

export interface Binding {
  readonly exchange: string
  readonly key: string
  readonly queue: string
}

/** Everything that must exist on the broker. All of it is durable. */
export interface Topology {
  readonly exchanges: readonly Exchange[]
  readonly queues: readonly Queue[]
  readonly bindings: readonly Binding[]
}

/** Names derived from the prefix. */
export function brokerNames(prefix: string) {
  return {
    directExchange: `${prefix}.E.DIRECT`,
    waitingExchange: `${prefix}.E.WAITING`,
    deadExchange: `${prefix}.E.DEAD`,
    eventsExchange: `${prefix}.E.EVENTS`,
    checkKey: prefix,
    poisonKey: 'poison',
    checkQueue: `${prefix}.Q.CONFIRM_CHECK`,
    parkedQueue: `${prefix}.Q.PARKED`,
    waitQueue: (delayMs: number) => `${prefix}.Q.WAIT_CONFIRM_CHECK.${delayMs}`,
    waitKey: (delayMs: number) => String(delayMs),
  }
}

export type BrokerNames = ReturnType<typeof brokerNames>

/**
 * More than a consumer can fail by itself: a crash counts against everything the worker held. RabbitMQ 4
 * would take 20 without it, and -1 means "dead-letter at once" on 3.10. Up to 4.2 each requeue counts as well; from 4.3
 * on a nack does not. Nothing of ours reads the count: it gives up nothing, and the row knows what was tried.
 */
const DELIVERY_LIMIT = 1000

export function topologyOf(prefix: string, delaysMs: RetryDelaysMs): Topology {
  const names = brokerNames(prefix)
  const tiers = [...new Set(delaysMs)].sort((a, b) => a - b)
  return {
    exchanges: [
      { name: names.directExchange, type: 'direct' },
      { name: names.waitingExchange, type: 'direct' },
      { name: names.deadExchange, type: 'direct' },
      { name: names.eventsExchange, type: 'topic' },
    ],
    queues: [
      {
        name: names.checkQueue,
        arguments: deadLettering(names.deadExchange, names.poisonKey),
      },
      // One queue for each delay: a queue expires only at its head, so a shared one would hold everything up.
      ...tiers.map((delayMs) => ({
        name: names.waitQueue(delayMs),
        arguments: {
          'x-message-ttl': delayMs,
          ...deadLettering(names.directExchange, names.checkKey),
        },
      })),
      { name: names.parkedQueue, arguments: { 'x-queue-type': 'quorum' } },
    ],
    bindings: [
      { exchange: names.directExchange, key: names.checkKey, queue: names.checkQueue },
      { exchange: names.deadExchange, key: names.poisonKey, queue: names.parkedQueue },
      ...tiers.map((delayMs) => ({
        exchange: names.waitingExchange,
        key: names.waitKey(delayMs),
        queue: names.waitQueue(delayMs),
      })),
    ],
  }
}

/** At-least-once dead-lettering needs `reject-publish`; without it the broker silently does at-most-once. */
function deadLettering(exchange: string, key: string): Queue['arguments'] {
  return {
    'x-queue-type': 'quorum',
    'x-delivery-limit': DELIVERY_LIMIT,
    'x-dead-letter-exchange': exchange,
    'x-dead-letter-routing-key': key,
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish',
  }
}

/** The broker has an exchange or queue of our name with other properties. Trying again does not help. */
export class TopologyMismatchError extends Error {
  override readonly name = 'TopologyMismatchError'
}

/** Declares the topology. Throws TopologyMismatchError, naming the argument, if something differs. */
export async function assertTopology(channel: Channel, topology: Topology): Promise<void> {
  for (const { name, type } of topology.exchanges) {
    await declare('exchange', name, () => channel.assertExchange(name, type, { durable: true }))
  }
  for (const queue of topology.queues) {
    const options = { durable: true, arguments: queue.arguments }
    await declare('queue', queue.name, () => channel.assertQueue(queue.name, options))
  }
  for (const { exchange, key, queue } of topology.bindings) {
    await channel.bindQueue(queue, exchange, key)
  }
}

const PRECONDITION_FAILED = 406

async function declare(what: string, name: string, assert: () => Promise<unknown>): Promise<void> {
  try {
    await assert()
  } catch (error) {
    const difference = readDifference(error)
    if (difference === null) throw error
    throw new TopologyMismatchError(
      `the ${what} '${name}' exists with other properties (${difference}). ` +
        'Empty and delete it, or choose another AMQP_PREFIX',
      { cause: error },
    )
  }
}

/** Which property differs, in the broker's words; null if this is another error. */
export function readDifference(error: unknown): string | null {
  const { code, message } = error as { code?: unknown; message: string }
  if (code !== PRECONDITION_FAILED) return null
  return /inequivalent arg .*$/.exec(message)?.[0].replace(/"$/, '') ?? message
}
