import type { Observation, Query } from '../domain/finality.ts'
import type { Receipt } from '../domain/receipt.ts'
import { storableText } from '../domain/storable-text.ts'
import { type Absence, collectAbsence, isEnough, toAbsent } from './absence.ts'
import type { Header } from './facts/block.ts'
import type { HeadTracker } from './head-tracker.ts'
import type { ChainNode } from './node.ts'
import { RpcError } from './rpc-error.ts'
import { RPC_METHODS } from './rpc-methods.ts'

export interface ObserveOptions {
  /** In order of preference. */
  readonly nodes: readonly ChainNode[]
  readonly heads: HeadTracker
  /** Providers that a thorough check asks before it calls a transaction absent. */
  readonly witnesses: number
  /** Blocks that must follow a block before what it holds is final. */
  readonly finalityDepthBlocks: number
  /** Takes secrets out of what a node said: some repeat the key of the URL they were asked under. */
  readonly redact: (text: string) => string
}

/**
 * Asks the nodes in their order until one has a receipt, or enough fresh ones have none. Head, receipt and the
 * canonical header are always of one node, read in this order: an old answer errs towards waiting. If they can't be
 * had, the observation is `unavailable`, with what each node said.
 */
export async function observe(query: Query, options: ObserveOptions): Promise<Observation> {
  const { nodes, witnesses, redact } = options
  const absences: Absence[] = []
  const errors: string[] = []
  for (const node of nodes) {
    if (absences.some((absence) => absence.isComplete && absence.node.provider === node.provider)) continue
    try {
      const found = await observeAt(node, query, options)
      if ('kind' in found) return found
      absences.push(found)
      if (isEnough(absences, query, witnesses)) break
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      errors.push(redact(error.message))
    }
  }
  // A thorough check that lacks witnesses still found it absent.
  if (absences.length > 0) return toAbsent(absences, query, options)
  return { kind: 'unavailable', error: storableText(errors.join('; ')) }
}

/** What one node says; rejects with RpcError if that is nothing. */
async function observeAt(
  node: ChainNode,
  query: Query,
  options: ObserveOptions,
): Promise<Extract<Observation, { kind: 'receipt' }> | Absence> {
  const { txHash, known, thorough } = query
  const head = await (thorough ? node.readHead() : node.readRecentHead())
  // Asked together, so that they are one request; of use only if there is no receipt.
  const knowing = known === null || thorough ? node.readTransaction(txHash) : null
  knowing?.catch(() => undefined)
  const receipt = await node.readReceipt(txHash)
  if (receipt) {
    const headNumber = await readHeadAbove(node, receipt, head, options.finalityDepthBlocks)
    return { kind: 'receipt', node: node.name, headNumber, receipt }
  }
  const staleness = options.heads.staleness(head)
  if (staleness) {
    const call = { node: node.name, method: RPC_METHODS.header }
    throw new RpcError('stale', call, `${staleness}, so that it has no receipt says nothing`)
  }
  return collectAbsence(node, head, knowing, query, options)
}

/**
 * Checks that the receipt's block is the canonical one at its height, at the node that gave it, and returns how far the
 * node's chain goes. Where blocks must follow, it is no more than the node shows of them: the head that it said may be
 * of another machine.
 */
async function readHeadAbove(
  node: ChainNode,
  receipt: Receipt,
  head: Header,
  finalityDepthBlocks: number,
): Promise<number> {
  const { blockNumber } = receipt
  const finalizing = blockNumber + finalityDepthBlocks
  const isDepthClaimed = finalityDepthBlocks > 0 && head.number >= finalizing
  const [canonical, top] = await Promise.all([
    node.readHeader(blockNumber),
    isDepthClaimed ? node.readHeader(finalizing) : null,
  ])
  checkCanonical(node, receipt, canonical)
  if (finalityDepthBlocks === 0) return head.number
  return top ? finalizing : Math.min(head.number, finalizing - 1)
}

function checkCanonical(
  node: ChainNode,
  { blockNumber, blockHash }: Receipt,
  canonical: Header | null,
): void {
  if (canonical?.hash === blockHash) return
  const actual = canonical === null ? 'it has no block' : `its block is ${canonical.hash}`
  throw new RpcError(
    'not-canonical',
    { node: node.name, method: RPC_METHODS.receipt },
    `the receipt is of block ${blockHash}, but ${actual} at height ${blockNumber}`,
  )
}
