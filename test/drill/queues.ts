import { brokerNames, topologyOf } from '../../src/broker/topology.ts'
import { parseCheckMessages } from '../../src/domain/message.ts'
import type { RetryDelaysMs } from '../../src/domain/schedule.ts'
import { withChannel } from '../support/channel.ts'
import type { Parts } from './parts.ts'
import { pollUntil } from './poll.ts'

/** That of the processes whose settings name none. */
export const PREFIX = 'TX'
export const NAMES = brokerNames(PREFIX)

/** Where the queues are: on this broker, under each of these prefixes. */
interface Place extends Pick<Parts, 'rabbitmq' | 'delaysMs'> {
  /** That of the settings if left out. */
  readonly prefixes?: readonly string[]
}

export function queueNames({ delaysMs, prefixes = [PREFIX] }: Place): string[] {
  return prefixes.flatMap((prefix) =>
    topologyOf(prefix, delaysMs as unknown as RetryDelaysMs).queues.map(({ name }) => name),
  )
}

/** Ready messages by queue; those that a worker has in hand are not among them. */
export function readDepths(parts: Place): Promise<Record<string, number>> {
  return withChannel(parts.rabbitmq.url, async (channel) => {
    const depths: Record<string, number> = {}
    for (const name of queueNames(parts)) depths[name] = (await channel.checkQueue(name)).messageCount
    return depths
  })
}

/** Messages of the check queue that workers have in hand, and those that wait for a worker. */
export async function countMessages({
  rabbitmq,
}: Pick<Parts, 'rabbitmq'>): Promise<{ inHand: number; ready: number }> {
  const columns = ['name', 'messages_unacknowledged', 'messages_ready']
  const listed = await rabbitmq.control('list_queues', '--no-table-headers', ...columns)
  const line = listed.split('\n').find((each) => each.startsWith(NAMES.checkQueue))
  const [, inHand = Number.NaN, ready = Number.NaN] = line?.split('\t').map(Number) ?? []
  return { inHand, ready }
}

/** Empties every queue; returns how many checks that cost: a message may hold many. */
export function purgeAll(parts: Place): Promise<number> {
  return withChannel(parts.rabbitmq.url, async (channel) => {
    let purged = 0
    for (const name of queueNames(parts)) {
      for (let message = await take(name); message; message = await take(name)) {
        purged += parseCheckMessages(message.content.toString(), 'kaia').length
      }
    }
    return purged
    function take(name: string) {
      return channel.get(name, { noAck: true })
    }
  })
}

/** Waits until all queues but those of parked messages are empty; returns what was left in them. */
export async function untilEmpty(place: Place, timeoutMs: number): Promise<{ left: number; parked: number }> {
  const parkedQueues = (place.prefixes ?? [PREFIX]).map((prefix) => brokerNames(prefix).parkedQueue)
  let found = { left: -1, parked: -1 }
  await pollUntil(
    async () => {
      const depths = await readDepths(place).catch(() => null)
      if (!depths) return false
      const total = Object.values(depths).reduce((sum, depth) => sum + depth, 0)
      const parked = parkedQueues.reduce((sum, name) => sum + (depths[name] ?? 0), 0)
      found = { left: total - parked, parked }
      return found.left === 0
    },
    { timeoutMs, intervalMs: 500 },
  )
  return found
}
