import { brokerNames, topologyOf } from '../../src/broker/topology.ts'
import type { RetryDelaysMs } from '../../src/domain/schedule.ts'
import { withChannel } from '../support/channel.ts'
import type { Parts } from './parts.ts'
import { pollUntil } from './poll.ts'

const PREFIX = 'TX'
export const NAMES = brokerNames(PREFIX)

type Place = Pick<Parts, 'rabbitmq' | 'delaysMs'>

export function queueNames({ delaysMs }: Place): string[] {
  return topologyOf(PREFIX, delaysMs as unknown as RetryDelaysMs).queues.map(({ name }) => name)
}

/** Ready messages by queue; those that a worker has in hand are not among them. */
export function readDepths(parts: Place): Promise<Record<string, number>> {
  return withChannel(parts.rabbitmq.url, async (channel) => {
    const depths: Record<string, number> = {}
    for (const name of queueNames(parts)) depths[name] = (await channel.checkQueue(name)).messageCount
    return depths
  })
}

/** Messages of the check queue that workers have in hand. */
export async function countInHand({ rabbitmq }: Pick<Parts, 'rabbitmq'>): Promise<number> {
  const listed = await rabbitmq.control(
    'list_queues',
    '--no-table-headers',
    'name',
    'messages_unacknowledged',
  )
  const line = listed.split('\n').find((each) => each.startsWith(NAMES.checkQueue))
  return Number(line?.split('\t')[1] ?? Number.NaN)
}

/** Empties every queue; returns how many messages that cost. */
export function purgeAll(parts: Place): Promise<number> {
  return withChannel(parts.rabbitmq.url, async (channel) => {
    let purged = 0
    for (const name of queueNames(parts)) purged += (await channel.purgeQueue(name)).messageCount
    return purged
  })
}

/** Waits until all queues but the parked one are empty; returns what was left in them. */
export async function untilEmpty(parts: Place, timeoutMs: number): Promise<{ left: number; parked: number }> {
  let found = { left: -1, parked: -1 }
  await pollUntil(
    async () => {
      const depths = await readDepths(parts).catch(() => null)
      if (!depths) return false
      const total = Object.values(depths).reduce((sum, depth) => sum + depth, 0)
      const parked = depths[NAMES.parkedQueue] ?? 0
      found = { left: total - parked, parked }
      return found.left === 0
    },
    { timeoutMs, intervalMs: 500 },
  )
  return found
}
