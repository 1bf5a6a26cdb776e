import type { PrivateRabbitmq } from '../../src/dev/private-rabbitmq.ts'
import type { RabbitmqCluster } from '../support/rabbitmq-cluster.ts'

/** A quorum queue, and the nodes of its members. */
export interface QueueMembers {
  readonly name: string
  readonly leader: string
  readonly members: readonly string[]
  readonly online: readonly string[]
}

/** The queues as a node that runs sees them. */
export async function readQueueMembers(node: PrivateRabbitmq): Promise<readonly QueueMembers[]> {
  const columns = ['name', 'leader', 'members', 'online']
  return JSON.parse(await node.control('list_queues', '--formatter', 'json', ...columns)) as QueueMembers[]
}

/** Whether every node has a member of every queue, and all of them are online. */
export function areComplete(
  found: readonly QueueMembers[],
  { nodes }: RabbitmqCluster,
  queues: readonly string[],
): boolean {
  return queues.every((queue) => {
    const { members = [], online = [] } = found.find(({ name }) => name === queue) ?? {}
    return members.length === nodes.length && online.length === nodes.length
  })
}

export function leaderOf(found: readonly QueueMembers[], queue: string): string | null {
  return found.find(({ name }) => name === queue)?.leader ?? null
}

interface Connection {
  /** Of the node. */
  readonly port: number
  readonly client_properties: readonly (readonly [name: string, type: string, value: unknown])[]
}

/** Connections of confirmd processes to `node`, as `witness` sees them. */
export async function countConnections(witness: PrivateRabbitmq, node: PrivateRabbitmq): Promise<number> {
  const columns = ['port', 'client_properties']
  const listed = await witness.control('list_connections', '--formatter', 'json', ...columns)
  const port = Number(new URL(node.url).port)
  return (JSON.parse(listed) as Connection[]).filter(
    (connection) => connection.port === port && nameOf(connection).startsWith('confirmd '),
  ).length
}

function nameOf({ client_properties: properties }: Connection): string {
  return String(properties.find(([name]) => name === 'connection_name')?.[2])
}
