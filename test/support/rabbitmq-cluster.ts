import {
  type PrivateRabbitmq,
  type PrivateRabbitmqOptions,
  startPrivateRabbitmq,
} from '../../src/dev/private-rabbitmq.ts'

/** Servers of RabbitMQ on this machine that are one cluster. */
export interface RabbitmqCluster {
  /** The first one started the cluster, and is there when any other starts for the first time. */
  readonly nodes: readonly [PrivateRabbitmq, ...PrivateRabbitmq[]]
  /** All of them, as AMQP_URL takes them. */
  readonly url: string
  stop(): Promise<void>
}

export async function startRabbitmqCluster(
  serverPath: string,
  folder: string,
  size: number,
  options: Pick<PrivateRabbitmqOptions, 'startTimeoutMs'> = {},
): Promise<RabbitmqCluster> {
  const first = await startPrivateRabbitmq(serverPath, folder, options)
  const others: PrivateRabbitmq[] = []
  async function stop(): Promise<void> {
    await Promise.all(others.map((node) => node.stop()))
    // The last one, because the port mapper of all ends with it.
    await first.stop()
  }
  try {
    // One after the other: two that join at once may each wait for the other.
    while (others.length < size - 1) {
      others.push(await startPrivateRabbitmq(serverPath, folder, { ...options, joining: first }))
    }
  } catch (error) {
    await stop()
    throw error
  }
  const nodes = [first, ...others] as const
  return { nodes, url: nodes.map(({ url }) => url).join(','), stop }
}
