import { setTimeout as sleep } from 'node:timers/promises'
import type { PrivateRabbitmq } from '../../src/dev/private-rabbitmq.ts'
import { areComplete, countConnections, leaderOf, readQueueMembers } from './cluster-state.ts'
import type { Condition, DrillContext } from './drill.ts'
import type { PartsWithCluster } from './parts.ts'
import { demand } from './poll.ts'
import { NAMES, queueNames } from './queues.ts'
import { shuffled } from './random.ts'
import { countPending } from './settled.ts'

/** One kill, and what the node was for the processes at that moment. */
interface NodeKill {
  readonly atMs: number
  /** Connections that the processes had to the node. */
  readonly connections: number
  /** It had the leader of the check queue. */
  readonly led: boolean
  /** Transactions without an outcome. */
  readonly pending: number
  /** Until it took connections again. */
  readonly downMs: number
}

/** Kills the nodes of a cluster in turn, each with SIGKILL, and starts each again at once. */
export interface NodeKiller {
  /** Resolves when the next one may be killed: 10 s after the last, and with all members of all queues online. */
  untilDue(): Promise<void>
  /** Resolves when the node takes connections again. */
  kill(): Promise<void>
  done(): readonly NodeKill[]
}

const INTERVAL_MS = 10_000
/** After it the cluster does not come back by itself, and the drill makes no sense. */
const COMPLETE_LIMIT_MS = 600_000

export function createNodeKiller(
  { tally, lifecycle, random }: DrillContext,
  parts: PartsWithCluster,
): NodeKiller {
  const { cluster } = parts
  const order = shuffled(random('order of nodes'), cluster.nodes)
  const queues = queueNames(parts)
  const kills: NodeKill[] = []
  let killing: Promise<void> = Promise.resolve()

  function nodeOf(round: number): PrivateRabbitmq {
    return order[round % order.length] ?? cluster.nodes[0]
  }

  async function killNext(): Promise<void> {
    const [node, witness] = [nodeOf(kills.length), nodeOf(kills.length + 1)]
    const connections = await countConnections(witness, node)
    const led = leaderOf(await readQueueMembers(witness), NAMES.checkQueue) === node.nodeName
    const pending = await countPending(parts)
    const atMs = Date.now()
    await node.kill()
    tally.kills += 1
    await node.restart()
    tally.restarts += 1
    kills.push({ atMs, connections, led, pending, downMs: Date.now() - atMs })
  }

  // A drill that is interrupted does not stop the cluster while one of its nodes starts.
  lifecycle.add('kill of a node', () => killing)
  return {
    untilDue: async () => {
      const lastAtMs = kills.at(-1)?.atMs ?? Date.now()
      await sleep(Math.max(0, lastAtMs + INTERVAL_MS - Date.now()))
      const witness = nodeOf(kills.length)
      const isDue = async () => areComplete(await readQueueMembers(witness).catch(() => []), cluster, queues)
      await demand('all members of all queues are online', isDue, COMPLETE_LIMIT_MS)
    },
    kill: () => {
      killing = killNext()
      return killing
    },
    done: () => kills,
  }
}

/** What makes the kills worth the name. */
export function judgeKills(kills: readonly NodeKill[], needed: number): readonly Condition[] {
  const shortestMs = Math.min(...kills.slice(1).map(({ atMs }, index) => atMs - (kills[index]?.atMs ?? atMs)))
  const connected = kills.filter(({ connections }) => connections > 0)
  const lost = connected.reduce((sum, { connections }) => sum + connections, 0)
  const led = kills.filter((kill) => kill.led)
  const leastPending = Math.min(...kills.map(({ pending }) => pending))
  return [
    {
      text: `${kills.length} of ${needed} kills, ${shortestMs} ms apart or more, with all members online before each`,
      passed: kills.length >= needed && shortestMs >= INTERVAL_MS,
    },
    {
      text: `processes were connected to the node at ${connected.length} of them (${lost} connections), at half or more`,
      passed: lost > 0 && connected.length * 2 >= kills.length,
    },
    { text: `the node led the check queue at ${led.length} of them, at one or more`, passed: led.length > 0 },
    {
      text: `transactions were pending at each of them (${leastPending} or more)`,
      passed: leastPending > 0,
    },
  ]
}
