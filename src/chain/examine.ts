import type { NodeExamination } from '../domain/diagnosis.ts'
import type { HeadTracker } from './head-tracker.ts'
import type { ChainNode } from './node.ts'
import { RpcError } from './rpc-error.ts'

export interface ExamineOptions {
  readonly nodes: readonly ChainNode[]
  readonly heads: HeadTracker
  readonly redact: (text: string) => string
}

/** Asks every node for all that it knows of a transaction. For a person's eyes: nothing is decided by it. */
export async function examine(
  { txHash, sender }: { txHash: string; sender: string | null },
  { nodes, heads, redact }: ExamineOptions,
): Promise<NodeExamination[]> {
  return Promise.all(
    nodes.map(async (node): Promise<NodeExamination> => {
      const nothing = { node: node.name, headNumber: null, blockNumber: null, known: null, nextNonce: null }
      try {
        const head = await node.readHead()
        const [receipt, known] = await Promise.all([node.readReceipt(txHash), node.readTransaction(txHash)])
        const account = known?.seen?.sender ?? sender
        // One of them may lack the state; the rest of what it says counts all the same.
        const nextNonce =
          account === null ? null : await node.readNonce(account, head.number).catch(nullIfUnavailable)
        const staleness = heads.staleness(head)
        return {
          node: node.name,
          problem: staleness,
          isBehind: staleness !== null,
          headNumber: head.number,
          blockNumber: receipt?.blockNumber ?? null,
          known: known?.seen ?? null,
          nextNonce,
        }
      } catch (error) {
        if (!(error instanceof RpcError)) throw error
        return { ...nothing, problem: redact(error.message), isBehind: false }
      }
    }),
  )
}

function nullIfUnavailable(error: unknown): null {
  if (error instanceof RpcError) return null
  throw error
}
