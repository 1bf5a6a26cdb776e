import type { Observation, Query, SeenTransaction } from '../domain/finality.ts'
import type { NonceSighting } from '../domain/replacement.ts'
import type { Header } from './facts/block.ts'
import type { KnownTransaction } from './facts/transaction.ts'
import type { HeadTracker } from './head-tracker.ts'
import type { ChainNode } from './node.ts'
import { RpcError } from './rpc-error.ts'

export interface ObserveOptions {
  /** In order of preference. */
  readonly nodes: readonly ChainNode[]
  readonly heads: HeadTracker
  /** Fresh nodes that a thorough look asks before it calls a transaction absent. */
  readonly witnesses: number
  /** Blocks that must follow a block before what it holds is final. */
  readonly finalityDepthBlocks: number
  /** Takes secrets out of what a node said: some repeat the key of the URL they were asked under. */
  readonly redact: (text: string) => string
}

/** What one fresh node without a receipt said. */
interface Absence {
  readonly node: string
  readonly headNumber: number
  readonly inPool: boolean
  readonly seen: SeenTransaction | null
  readonly sighting: NonceSighting | null
}

/**
 * Looks at the nodes in their order until one has a receipt, or enough fresh ones have none. Head and receipt
 * are always of one node. If that can't be had, the observation is `unavailable`, with what each node said.
 */
export async function observe(
  query: Query,
  { nodes, heads, witnesses, finalityDepthBlocks, redact }: ObserveOptions,
): Promise<Observation> {
  const needed = query.thorough ? witnesses : 1
  const absences: Absence[] = []
  const errors: string[] = []
  for (const node of nodes) {
    try {
      const head = await (query.thorough ? node.readHead() : node.readRecentHead())
      // Asked together, so that they are one request; of use only if there is no receipt.
      const knowing =
        query.known === null || query.thorough ? node.readTransaction(query.txHash) : Promise.resolve(null)
      knowing.catch(() => undefined)
      const receipt = await node.readReceipt(query.txHash)
      if (receipt) {
        await checkCanonical(node, receipt)
        return { kind: 'receipt', node: node.name, headNumber: head.number, receipt }
      }
      const staleness = heads.staleness(head)
      if (staleness) {
        const call = { node: node.name, method: 'klay_getHeaderByNumber' }
        throw new RpcError('stale', call, `${staleness}, so that it has no receipt says nothing`)
      }
      absences.push(await toAbsence(node, head, await knowing, query, finalityDepthBlocks))
      if (absences.length >= needed) return toAbsent(absences, witnesses)
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      errors.push(redact(error.message))
    }
  }
  // An ordinary look at one fresh node stands; a thorough one that lacks witnesses still found it absent.
  return absences.length > 0
    ? toAbsent(absences, witnesses)
    : { kind: 'unavailable', error: errors.join('; ') }
}

/** A receipt counts only if its block is the canonical one at that height, at the node that gave it. */
async function checkCanonical(
  node: ChainNode,
  { blockNumber, blockHash }: { blockNumber: number; blockHash: string },
): Promise<void> {
  const canonical = (await node.readHeader(blockNumber))?.hash ?? null
  if (canonical === blockHash) return
  const call = { node: node.name, method: 'klay_getTransactionReceipt' }
  const actual = canonical === null ? 'it has no block' : `its block is ${canonical}`
  throw new RpcError(
    'not-canonical',
    call,
    `the receipt is of block ${blockHash}, but ${actual} at height ${blockNumber}`,
  )
}

/** What a node without a receipt knows of the transaction, and of its sender's nonce. */
async function toAbsence(
  node: ChainNode,
  head: Header,
  known: KnownTransaction | null,
  query: Query,
  finalityDepthBlocks: number,
): Promise<Absence> {
  const absence = { node: node.name, headNumber: head.number, sighting: null }
  if (known) return { ...absence, inPool: true, seen: known.seen }
  if (query.known === null || !query.thorough) return { ...absence, inPool: false, seen: null }
  const sighting = await sightNonce(node, head, finalityDepthBlocks, query.txHash, query.known)
  return { ...absence, inPool: false, seen: null, sighting }
}

/**
 * Whether the sender's nonce is used up for good. It is read at the newest final block: what a reorganisation can
 * take away is no evidence, and may be our own transaction in a block that the node has not indexed yet. Receipt
 * and transaction are looked for again afterwards, at a head at least as new: behind a load balancer each answer
 * may come from another machine.
 */
async function sightNonce(
  node: ChainNode,
  head: Header,
  finalityDepthBlocks: number,
  txHash: string,
  known: SeenTransaction,
): Promise<NonceSighting | null> {
  const finalNumber = Math.max(0, head.number - finalityDepthBlocks)
  const nonce = await node.readNonce(known.sender, finalNumber)
  if (nonce <= known.nonce) return null
  const headAfter = await node.readHead()
  if (headAfter.number < head.number) return null
  if ((await node.readReceipt(txHash)) || (await node.readTransaction(txHash))) return null
  return { node: node.name, headNumber: headAfter.number, nonce }
}

function toAbsent(absences: readonly Absence[], witnesses: number): Observation {
  const sightings = absences.flatMap(({ sighting }) => sighting ?? [])
  const agreed = sightings.length === absences.length && sightings.length >= witnesses
  return {
    kind: 'absent',
    nodes: absences.map(({ node }) => node),
    providers: absences.length,
    headNumber: Math.min(...absences.map(({ headNumber }) => headNumber)),
    inPool: absences.some(({ inPool }) => inPool),
    seen: absences.find(({ seen }) => seen)?.seen ?? null,
    replacement: agreed ? sightings : [],
  }
}
