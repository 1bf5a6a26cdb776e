import type { Observation, Query, SeenTransaction } from '../domain/finality.ts'
import type { NonceSighting } from '../domain/replacement.ts'
import type { Header } from './facts/block.ts'
import type { KnownTransaction } from './facts/transaction.ts'
import type { ChainNode } from './node.ts'
import { RpcError } from './rpc-error.ts'

/** What one fresh node without a receipt said. */
export interface Absence {
  readonly node: ChainNode
  readonly headNumber: number
  /** Null: the node does not know the transaction, or was not asked for it. */
  readonly known: KnownTransaction | null
  /** Whether the node answered all that was asked beside the receipt. */
  readonly isComplete: boolean
  readonly nonce: NonceEvidence
  readonly notes: readonly string[]
}

/**
 * `used`: a transaction of another hash used it up for good. `open`: it is not, or the transaction is known after all.
 * `unknown`: not asked, or not to be found out.
 */
export type NonceEvidence =
  | { readonly kind: 'used'; readonly sighting: NonceSighting }
  | { readonly kind: 'open' }
  | { readonly kind: 'unknown' }

const UNKNOWN: NonceEvidence = { kind: 'unknown' }
const OPEN: NonceEvidence = { kind: 'open' }

export interface AbsenceOptions {
  /** Blocks that must follow a block before what it holds is final. */
  readonly finalityDepthBlocks: number
  readonly redact: (text: string) => string
}

/**
 * Collects what a node without a receipt knows of the transaction, and of its sender's nonce. That one of these can't
 * be had costs only what depends on it: the receipt stays absent.
 *
 * @param knowing the node's answer to the question for the transaction; null if it was not asked
 */
export async function collectAbsence(
  node: ChainNode,
  head: Header,
  knowing: Promise<KnownTransaction | null> | null,
  query: Query,
  options: AbsenceOptions,
): Promise<Absence> {
  const { redact } = options
  const absence = { node, headNumber: head.number, nonce: UNKNOWN }
  const known = await attempt(() => knowing ?? Promise.resolve(null), redact)
  if (known.problem !== null) return { ...absence, known: null, isComplete: false, notes: [known.problem] }
  if (known.value)
    return { ...absence, known: known.value, isComplete: true, nonce: OPEN, notes: known.value.notes }
  const { known: seen, thorough, txHash } = query
  if (seen === null || !thorough) return { ...absence, known: null, isComplete: true, notes: [] }
  const nonce = await attempt(() => sightNonce(node, head, txHash, seen, options), redact)
  return {
    ...absence,
    known: null,
    isComplete: true,
    nonce: nonce.value ?? UNKNOWN,
    notes: nonce.problem === null ? [] : [nonce.problem],
  }
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
  txHash: string,
  known: SeenTransaction,
  { finalityDepthBlocks }: AbsenceOptions,
): Promise<NonceEvidence> {
  const finalNumber = Math.max(0, head.number - finalityDepthBlocks)
  const nonce = await node.readNonce(known.sender, finalNumber)
  if (nonce <= known.nonce) return OPEN
  const headAfter = await node.readHead()
  if (headAfter.number < head.number) return UNKNOWN
  const [receipt, transaction] = await Promise.all([node.readReceipt(txHash), node.readTransaction(txHash)])
  if (receipt || transaction) return OPEN
  return { kind: 'used', sighting: { node: node.name, headNumber: headAfter.number, nonce } }
}

/** The outcome of a question that nothing but its own evidence depends on. */
async function attempt<T>(
  ask: () => Promise<T>,
  redact: (text: string) => string,
): Promise<{ readonly value: T | null; readonly problem: string | null }> {
  try {
    return { value: await ask(), problem: null }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    return { value: null, problem: redact(error.message) }
  }
}

/** Whether as many providers as are asked for said all that can be had of them. */
export function isEnough(
  absences: readonly Absence[],
  { thorough, known }: Query,
  witnesses: number,
): boolean {
  if (!thorough) return absences.length > 0
  if (countProviders(absences.filter(({ isComplete }) => isComplete)) < witnesses) return false
  if (known === null || absences.some(({ nonce }) => nonce.kind === 'open')) return true
  return countProviders(absences.filter(({ nonce }) => nonce.kind === 'used')) >= witnesses
}

/** What the absences say together. */
export async function toAbsent(
  absences: readonly Absence[],
  query: Query,
  { nodes, witnesses }: { readonly nodes: readonly ChainNode[]; readonly witnesses: number },
): Promise<Observation> {
  const notes = absences.flatMap((absence) => absence.notes)
  return {
    kind: 'absent',
    nodes: absences.map(({ node }) => node.name),
    // Only a thorough check asks for the head afresh, and for the transaction.
    providers: query.thorough ? countProviders(absences.filter(({ isComplete }) => isComplete)) : 0,
    headNumber: Math.min(...absences.map(({ headNumber }) => headNumber)),
    inPool: absences.some(({ known }) => known !== null),
    seen: await learnSeen(absences, query, nodes),
    replacement: agreedSightings(absences, witnesses),
    ...(notes.length > 0 ? { notes } : {}),
  }
}

/** One sighting of each provider; none if one of the nodes contradicts, or too few providers agree. */
function agreedSightings(absences: readonly Absence[], witnesses: number): NonceSighting[] {
  if (absences.some(({ nonce }) => nonce.kind === 'open')) return []
  const byProvider = new Map<string, NonceSighting>()
  for (const { node, nonce } of absences) {
    if (nonce.kind === 'used' && !byProvider.has(node.provider)) byProvider.set(node.provider, nonce.sighting)
  }
  return byProvider.size >= witnesses ? [...byProvider.values()] : []
}

/**
 * Sender and nonce, if a second answer shows the same as the first: of a node of another provider if it knows the
 * transaction, else of the same node. One answer is not enough: it is what a replacement would be concluded from.
 */
async function learnSeen(
  absences: readonly Absence[],
  { txHash, known }: Query,
  nodes: readonly ChainNode[],
): Promise<SeenTransaction | null> {
  const shows = absences.filter((absence) => absence.known?.seen)
  const [first, ...others] = shows
  const seen = first?.known?.seen ?? null
  if (!first || seen === null || isSame(seen, known)) return null
  const { provider } = first.node
  const ofOther = others.find(({ node }) => node.provider !== provider)
  if (ofOther) return isSame(seen, ofOther.known?.seen ?? null) ? seen : null
  const unasked = nodes.find(
    (node) => node.provider !== provider && !absences.some((absence) => absence.node === node),
  )
  const second = (unasked && (await askSeen(unasked, txHash))) ?? (await askSeen(first.node, txHash))
  return isSame(seen, second) ? seen : null
}

async function askSeen(node: ChainNode, txHash: string): Promise<SeenTransaction | null> {
  try {
    return (await node.readTransaction(txHash))?.seen ?? null
  } catch (error) {
    if (error instanceof RpcError) return null
    throw error
  }
}

function isSame(one: SeenTransaction, other: SeenTransaction | null): boolean {
  return one.sender === other?.sender && one.nonce === other.nonce
}

function countProviders(absences: readonly Absence[]): number {
  return new Set(absences.map(({ node }) => node.provider)).size
}
