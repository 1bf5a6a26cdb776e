import type { BlockSource } from '../domain/block.ts'
import { ChainMismatchError } from '../domain/chain-binding.ts'
import type { NodeExamination } from '../domain/diagnosis.ts'
import type { Observation, Query } from '../domain/finality.ts'
import type { NodeState } from '../domain/process.ts'
import type { ChainBinding } from './anchor-check.ts'
import { batchTransport } from './batching-transport.ts'
import { createBlockSource } from './block-source.ts'
import { examine } from './examine.ts'
import { findReplacing, type ReplacedTransaction, type Replacing } from './find-replacing.ts'
import { guardTransport, type RpcCall } from './guarded-transport.ts'
import { listenForHeads } from './head-announcements.ts'
import { createHeadTracker } from './head-tracker.ts'
import { type ChainNode, createChainNode } from './node.ts'
import { createNodeStates } from './node-states.ts'
import { observe } from './observe.ts'
import { providerOf } from './provider.ts'
import { nameEndpoints, type RpcEndpoint } from './rpc-endpoint.ts'
import { RpcError } from './rpc-error.ts'
import { createRpcTransport } from './rpc-transport.ts'

export interface ChainOptions {
  /** In order of preference. */
  readonly endpoints: readonly RpcEndpoint[]
  /** Nodes that announce new heads; perhaps none. */
  readonly webSocketUrls: readonly string[]
  /** The chain's name. */
  readonly chain: string
  readonly chainId: number
  /** What the name means in the database. */
  readonly binding: ChainBinding
  readonly timeoutMs: number
  /** Most calls to one node at once. */
  readonly maxInFlight: number
  /** Most calls in one request to a node. */
  readonly maxBatchCalls: number
  /** An ordinary look takes a head that was read so long ago. */
  readonly recentHeadMs: number
  readonly maxLagBlocks: number
  readonly maxHeadAgeMs: number
  /** Blocks that must follow what is final. */
  readonly finalityDepthBlocks: number
  /** Providers that must agree on a verdict without a receipt. */
  readonly witnesses: number
  readonly redact: (text: string) => string
  readonly onCall: (call: RpcCall) => void
  /** Told when a node is found on another chain (the problem), and when it is back on ours (null). */
  readonly onChainChecked: (node: string, problem: string | null) => void
  /** Told once, at the start, if the nodes that answer are all on another chain. */
  readonly onWrongChain: (error: Error) => void
  /** Told when a node announces no new heads (why), and when it does (null). */
  readonly onAnnouncing: (node: string, problem: string | null) => void
}

export interface Chain {
  readonly blocks: BlockSource
  observe(query: Query): Promise<Observation>
  /**
   * Finds the transaction that consumed a nonce in a final block. Never rejects. The hash may be that of the
   * transaction itself: then whatever said that it was replaced is wrong.
   */
  findReplacing(replaced: ReplacedTransaction): Promise<Replacing>
  /** Asks every node what it knows of a transaction, for a person's eyes. */
  examine(asked: { txHash: string; sender: string | null }): Promise<NodeExamination[]>
  /** Asks each node for its head, in their order of preference. */
  readNodeStates(): Promise<readonly NodeState[]>
  close(): Promise<void>
}

/** An answer holds one receipt, header or transaction; a receipt with very many logs has some MiB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024

/** Of the connections over which heads are announced. */
const PING_INTERVAL_MS = 10_000

/** Why no node can be used, if those that answer are all on another chain; null if one is on ours or none answers. */
async function findWrongChain(nodes: readonly ChainNode[]): Promise<Error | null> {
  const checked = await Promise.allSettled(nodes.map((node) => node.checkChain()))
  if (checked.some(({ status }) => status === 'fulfilled')) return null
  const [wrong] = checked.flatMap((each) =>
    each.status === 'rejected' && each.reason instanceof RpcError && each.reason.code === 'wrong-chain'
      ? [each.reason]
      : [],
  )
  if (!wrong) return null
  return new ChainMismatchError(
    `no node of RPC_URLS is on the chain of this database. ${wrong.node}: ${wrong.detail}`,
  )
}

export function openChain(options: ChainOptions): Chain {
  const { endpoints, chain, chainId, binding, timeoutMs, maxInFlight, onCall, onChainChecked } = options
  const { witnesses, finalityDepthBlocks, recentHeadMs, redact } = options
  const clock = () => new Date()
  const heads = createHeadTracker({
    maxLagBlocks: options.maxLagBlocks,
    maxAgeMs: options.maxHeadAgeMs,
    clock,
  })
  const names = nameEndpoints(endpoints)
  const nodes = endpoints.map((endpoint, index) => {
    const { url } = endpoint
    const name = names[index] ?? url
    const maxAnswerBytes = MAX_ANSWER_BYTES
    const transport = createRpcTransport({ name, url, timeoutMs, maxAnswerBytes, redact })
    const guarded = guardTransport(transport, { maxInFlight, onCall })
    const maxCalls = options.maxBatchCalls
    const batching = batchTransport(guarded, {
      chainId,
      maxCalls,
      maxInFlight,
      redact,
      onChainChecked,
      clock,
    })
    return createChainNode(batching, {
      ...{ provider: providerOf(endpoint), heads, recentHeadMs, chain, binding, finalityDepthBlocks },
      onChainChecked,
      clock,
    })
  })
  const announcements = listenForHeads({
    urls: options.webSocketUrls,
    pingIntervalMs: PING_INTERVAL_MS,
    onChanged: options.onAnnouncing,
  })
  // A node on another chain is said at the start, not only when it is first needed; failures are met later anyway.
  void findWrongChain(nodes).then((error) => {
    if (error) options.onWrongChain(error)
  })
  return {
    blocks: createBlockSource({ nodes, heads, announcements, finalityDepthBlocks, clock }),
    observe: (query) => observe(query, { nodes, heads, witnesses, finalityDepthBlocks, redact }),
    findReplacing: (replaced) => findReplacing(replaced, { nodes, heads, finalityDepthBlocks, redact }),
    examine: (asked) => examine(asked, { nodes, heads, redact }),
    readNodeStates: createNodeStates({ nodes, heads, redact }),
    close: async () => {
      announcements.close()
      await Promise.all(nodes.map((node) => node.close()))
    },
  }
}
