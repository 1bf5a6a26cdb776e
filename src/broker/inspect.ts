import type { Channel, ChannelModel } from 'amqplib'
import { readDifference, type Topology } from './topology.ts'

/** What the broker has of what confirmd declares. */
export interface BrokerReport {
  /** Exchanges and queues that are not there. */
  readonly missing: readonly string[]
  /** Those that are there with other properties, and which. */
  readonly differing: readonly { readonly name: string; readonly difference: string }[]
  readonly queues: readonly QueueReport[]
}

export interface QueueReport {
  readonly name: string
  readonly messages: number
  readonly consumers: number
}

const NOT_FOUND = 404

/** Compares without making anything: what is not there is not declared. */
export async function inspectBroker(model: ChannelModel, topology: Topology): Promise<BrokerReport> {
  const missing: string[] = []
  const differing: { name: string; difference: string }[] = []
  const queues: QueueReport[] = []

  async function compare(
    name: string,
    check: (channel: Channel) => Promise<unknown>,
    declare: (channel: Channel) => Promise<unknown>,
  ): Promise<void> {
    try {
      await onThrowawayChannel(model, check)
    } catch (error) {
      if ((error as { code?: unknown }).code !== NOT_FOUND) throw error
      missing.push(name)
      return
    }
    try {
      // What is there is not changed by this; what differs is refused.
      await onThrowawayChannel(model, declare)
    } catch (error) {
      const difference = readDifference(error)
      if (difference === null) throw error
      differing.push({ name, difference })
    }
  }

  for (const { name, type } of topology.exchanges) {
    await compare(
      name,
      (channel) => channel.checkExchange(name),
      (channel) => channel.assertExchange(name, type, { durable: true }),
    )
  }
  for (const queue of topology.queues) {
    const { name } = queue
    await compare(
      name,
      async (channel) => {
        const { messageCount: messages, consumerCount: consumers } = await channel.checkQueue(name)
        queues.push({ name, messages, consumers })
      },
      (channel) => channel.assertQueue(name, { durable: true, arguments: queue.arguments }),
    )
  }
  return { missing, differing, queues }
}

/** How full the queues are; those that are not there are left out. */
export async function readDepths(
  model: ChannelModel,
  { queues }: Pick<Topology, 'queues'>,
): Promise<Record<string, number>> {
  const depths: Record<string, number> = {}
  for (const { name } of queues) {
    try {
      const { messageCount } = await onThrowawayChannel(model, (channel) => channel.checkQueue(name))
      depths[name] = messageCount
    } catch (error) {
      if ((error as { code?: unknown }).code !== NOT_FOUND) throw error
    }
  }
  return depths
}

/** What is refused closes its channel. */
async function onThrowawayChannel<T>(
  model: ChannelModel,
  work: (channel: Channel) => Promise<T>,
): Promise<T> {
  const channel = await model.createChannel()
  channel.on('error', () => undefined)
  try {
    return await work(channel)
  } finally {
    await channel.close().catch(() => undefined)
  }
}

/** What a broker says of itself. */
export interface BrokerServer {
  readonly product: string
  readonly version: string
  /** The same for all nodes of a cluster, and without a cluster another one for each node. Null: it says none. */
  readonly clusterName: string | null
}

export function readServer(model: ChannelModel): BrokerServer {
  const { serverProperties } = model.connection as unknown as {
    serverProperties?: { product?: unknown; version?: unknown; cluster_name?: unknown }
  }
  const clusterName = serverProperties?.cluster_name
  return {
    product: String(serverProperties?.product ?? 'a broker'),
    version: String(serverProperties?.version ?? 'of an unknown version'),
    clusterName: typeof clusterName === 'string' ? clusterName : null,
  }
}
