import { storableText } from '../domain/storable-text.ts'
import type { Block } from './facts/block.ts'
import type { HeadTracker } from './head-tracker.ts'
import type { ChainNode } from './node.ts'
import { MAX_DETAIL_CHARACTERS, RpcError } from './rpc-error.ts'

/** A transaction whose nonce was used up by one that is looked for. */
export interface ReplacedTransaction {
  readonly txHash: string
  readonly sender: string
  readonly nonce: number
}

export type Replacing =
  /** The hash may be that of the transaction itself: then it is included, and was not replaced. */
  | { readonly kind: 'found'; readonly txHash: string; readonly blockNumber: number }
  | { readonly kind: 'unknown'; readonly reason: string }

export interface FindReplacingOptions {
  /** In order of preference. */
  readonly nodes: readonly ChainNode[]
  readonly heads: HeadTracker
  /** Blocks that must follow a block before what it holds is final. */
  readonly finalityDepthBlocks: number
  readonly redact: (text: string) => string
}

/** How far back the state is asked for, in blocks; a node that prunes has only some of it. */
const SPANS_BLOCKS = [10_000, 1_000, 128, 16]
/** Transactions of a block that are asked for one by one. */
const MAX_SINGLE_TRANSACTIONS = 200

/**
 * Finds the transaction that consumed a nonce: by bisection over the sender's transaction count to the block, and in it
 * by sender and nonce. Never rejects: what it can't find is unknown, with the reason.
 */
export async function findReplacing(
  replaced: ReplacedTransaction,
  { nodes, heads, finalityDepthBlocks, redact }: FindReplacingOptions,
): Promise<Replacing> {
  const reasons: string[] = []
  for (const node of nodes) {
    try {
      const head = await node.readHead()
      const staleness = heads.staleness(head)
      if (staleness) reasons.push(`${node.name}: ${staleness}`)
      else {
        const newestFinal = Math.max(0, head.number - finalityDepthBlocks)
        const found = await findAt(node, newestFinal, replaced)
        if (found.kind === 'found') return found
        reasons.push(`${node.name}: ${found.reason}`)
      }
    } catch (error) {
      reasons.push(messageOf(error))
    }
  }
  const reason = redact(reasons.join('; ')) || 'there is no node to ask'
  return { kind: 'unknown', reason: storableText(reason, MAX_DETAIL_CHARACTERS) }
}

async function findAt(
  node: ChainNode,
  newestFinal: number,
  replaced: ReplacedTransaction,
): Promise<Replacing> {
  const { sender, nonce } = replaced
  if ((await node.readNonce(sender, newestFinal)) <= nonce) {
    return unknown(`nonce ${nonce} is not consumed in block ${newestFinal}, its newest final one`)
  }
  const before = await findBlockBefore(node, newestFinal, replaced)
  if (before.kind === 'unknown') return before
  let [low, high] = [before.blockNumber, newestFinal]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if ((await node.readNonce(sender, middle)) > nonce) high = middle
    else low = middle
  }
  const block = await node.readBlock(high)
  if (!block) return unknown(`it lacks block ${high}, in which nonce ${nonce} was consumed`)
  const txHash = await findInBlock(node, block, replaced)
  return txHash === null
    ? unknown(`block ${high}, in which nonce ${nonce} was consumed, shows no transaction with it`)
    : { kind: 'found', txHash, blockNumber: high }
}

/** A block in whose state the nonce is not consumed yet, as far back as the node still has the state. */
async function findBlockBefore(
  node: ChainNode,
  newestFinal: number,
  { sender, nonce }: ReplacedTransaction,
): Promise<{ kind: 'found'; blockNumber: number } | { kind: 'unknown'; reason: string }> {
  let problem = ''
  for (const span of SPANS_BLOCKS) {
    const blockNumber = Math.max(0, newestFinal - span)
    try {
      if ((await node.readNonce(sender, blockNumber)) <= nonce) return { kind: 'found', blockNumber }
      return unknown(`nonce ${nonce} was consumed before block ${blockNumber}, further back than is searched`)
    } catch (error) {
      problem = messageOf(error)
    }
  }
  return unknown(`it has no state of an older block: ${problem}`)
}

/**
 * Two answers must agree: the receipts of the block, where they name sender and nonce, and the transaction itself. That
 * our own transaction is in the block is enough to know that it was not replaced.
 */
async function findInBlock(
  node: ChainNode,
  block: Block,
  replaced: ReplacedTransaction,
): Promise<string | null> {
  if (block.txHashes.includes(replaced.txHash)) return replaced.txHash
  const receipts = (await node.readBlockReceipts(block)) ?? []
  const named = receipts.find(({ sender, nonce }) => sender === replaced.sender && nonce === replaced.nonce)
  const candidates = named ? [named.txHash] : block.txHashes
  if (candidates.length > MAX_SINGLE_TRANSACTIONS) return null
  const known = await Promise.all(
    candidates.map(async (txHash) => ({ txHash, seen: await seenOf(node, txHash) })),
  )
  const found = known.find(({ seen }) => seen?.sender === replaced.sender && seen.nonce === replaced.nonce)
  return found && block.txHashes.includes(found.txHash) ? found.txHash : null
}

/** Null also where the answer can't be used: another of the block's transactions may be the one. */
async function seenOf(node: ChainNode, txHash: string) {
  try {
    return (await node.readTransaction(txHash))?.seen ?? null
  } catch (error) {
    if (error instanceof RpcError && error.code === 'malformed') return null
    throw error
  }
}

function unknown(reason: string): { kind: 'unknown'; reason: string } {
  return { kind: 'unknown', reason }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
