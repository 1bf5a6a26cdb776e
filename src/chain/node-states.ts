import type { NodeState } from '../domain/process.ts'
import type { Header } from './facts/block.ts'
import type { HeadTracker } from './head-tracker.ts'
import type { ChainNode } from './node.ts'
import { RpcError } from './rpc-error.ts'

export interface NodeStatesOptions {
  /** In order of preference. */
  readonly nodes: readonly ChainNode[]
  readonly heads: HeadTracker
  /** Takes secrets out of what a node said. */
  readonly redact: (text: string) => string
}

/** Asks each node for its head; one that does not answer keeps the head that it showed last. */
export function createNodeStates({ nodes, heads, redact }: NodeStatesOptions): () => Promise<NodeState[]> {
  const last = new Map<string, { head: Header; seenAt: Date }>()

  async function ask(node: ChainNode): Promise<string | null> {
    try {
      const head = await node.readRecentHead()
      last.set(node.name, { head, seenAt: new Date() })
      return heads.staleness(head)
    } catch (error) {
      if (error instanceof RpcError) return redact(error.message)
      throw error
    }
  }

  return async () =>
    Promise.all(
      nodes.map(async (node): Promise<NodeState> => {
        const problem = await ask(node)
        const seen = last.get(node.name)
        return {
          name: node.name,
          headNumber: seen?.head.number ?? null,
          headAt: seen ? new Date(seen.head.timeMs).toISOString() : null,
          seenAt: seen?.seenAt.toISOString() ?? null,
          problem,
        }
      }),
    )
}
