import { isDeepStrictEqual } from 'node:util'
import type { ChainBinding } from '../../../src/chain/anchor-check.ts'
import { batchTransport, type CallTransport } from '../../../src/chain/batching-transport.ts'
import { findReplacing } from '../../../src/chain/find-replacing.ts'
import { createHeadTracker } from '../../../src/chain/head-tracker.ts'
import { type ChainNode, createChainNode } from '../../../src/chain/node.ts'
import { observe } from '../../../src/chain/observe.ts'
import { type Decision, decide, type Observation, queryFor } from '../../../src/domain/finality.ts'
import { recordedTransaction, type Transaction } from '../../../src/domain/transaction.ts'
import type { Random } from '../../drill/random.ts'
import { isStorable } from './boundary-oracle.ts'
import type { Fault } from './faults.ts'
import { createMemoryNode, type MemoryNode } from './memory-node.ts'
import type { RecordedWorld } from './recorded-world.ts'

export interface HistoryOptions {
  readonly world: RecordedWorld
  /** How many nodes there are, each of a provider of its own. */
  readonly nodes: number
  readonly depth: number
  /** The faults of the first checks, one after the other; later ones meet none. */
  readonly faults: readonly (readonly Fault[])[]
  readonly random: Random
  readonly onMet: (fault: Fault, result: CheckResult) => void
}

/** What became of the transaction in one check. `lie`: a wrong verdict after a lie that no single node's word shows. */
export type CheckResult = 'verdict' | 'waits' | 'lie' | 'wrong'

export interface HistoryResult {
  readonly verdict: 'confirmed' | 'failed' | 'replaced' | 'expired' | null
  readonly lies: number
  /** Broken promises; empty if all is well. */
  readonly problems: readonly string[]
}

const MAX_LAG_BLOCKS = 5
const MAX_HEAD_AGE_MS = 30_000
/** A head may be so far ahead before it is asked for a second time, and further after a pause. */
const MAX_LEAP_BLOCKS = 100
const MAX_LEAP_BLOCKS_PER_SECOND = 20
/** By the age of its block, with blocks of 1 s. */
const MAX_BLOCKS_BEHIND = MAX_HEAD_AGE_MS / 1_000 + 1
const MAX_CHECKS = 120
const MAX_ERROR_CHARACTERS = 700

const policyOf = (nodes: number, depth: number) => ({
  retryDelaysMs: [1_000, 2_000, 5_000] as const,
  retryLimit: 6,
  finalityDepthBlocks: depth,
  // Longer than all faults last: as long as they last, a node alone may say that nothing is there.
  expireAfterMs: 3_600_000,
  stalledCheckIntervalMs: 600_000,
  witnesses: Math.min(2, nodes),
  replacement: { looks: 3, spanMs: 10_000 },
})

/** The nodes of a history, on a clock that only it moves. */
export interface MemoryNodes {
  readonly memory: readonly MemoryNode[]
  readonly nodes: readonly ChainNode[]
  readonly heads: ReturnType<typeof createHeadTracker>
}

export function createMemoryNodes(
  { world, nodes: count, random }: Pick<HistoryOptions, 'world' | 'nodes' | 'random'>,
  nowMs: () => number,
  told: {
    readonly onMet: (fault: Fault, isLie: boolean) => void
    readonly onProblem: (problem: string) => void
  },
): MemoryNodes {
  const clock = () => new Date(nowMs())
  const heads = createHeadTracker({ maxLagBlocks: MAX_LAG_BLOCKS, maxAgeMs: MAX_HEAD_AGE_MS, clock })
  const number = world.headAt(world.startMs) - 5
  const anchor = { number, hash: world.hashOf(number) }
  const binding: ChainBinding = { anchor: () => anchor, bind: async () => anchor }
  const memory = Array.from({ length: count }, (_, index) =>
    createMemoryNode({ index, world, nowMs, random, ...told }),
  )
  const nodes = memory.map((each) => {
    const batching = batchTransport(each.transport, {
      chainId: world.chainId,
      maxCalls: 50,
      maxInFlight: 8,
      redact: (text) => text,
      onChainChecked: () => undefined,
      clock,
    })
    const provider = each.transport.node
    return createChainNode(checked(batching, each, told.onProblem), {
      provider,
      heads,
      recentHeadMs: 1_000,
      ...{ chain: 'kaia', binding, finalityDepthBlocks: 0 },
      onChainChecked: () => undefined,
      clock,
    })
  })
  return { memory, nodes, heads }
}

/** Says so if a call has a result although its response, or the chain id beside it, was spoilt. */
function checked(
  transport: CallTransport,
  node: MemoryNode,
  onProblem: (problem: string) => void,
): CallTransport {
  return {
    ...transport,
    call: async (method, params) => {
      const result = await transport.call(method, params)
      if (node.mustFail(method, params))
        onProblem(`${method} has a result from a response that can't be used`)
      return result
    },
  }
}

/** Checks a transaction again and again until it has its verdict, as a worker does. */
export async function runHistory(options: HistoryOptions): Promise<HistoryResult> {
  const { world, depth, faults, onMet } = options
  const policy = policyOf(options.nodes, depth)
  const problems: string[] = []
  let nowMs = world.startMs
  let pauseMs = 0
  let met: Fault[] = []
  let lies = 0
  let lied = false
  const { memory, nodes, heads } = createMemoryNodes(options, () => nowMs, {
    onMet: (fault, isLie) => {
      met.push(fault)
      lied ||= isLie
    },
    onProblem: (problem) => void problems.push(problem),
  })
  const observing = { nodes, heads, witnesses: policy.witnesses, finalityDepthBlocks: depth, redact: asItIs }
  let transaction = recorded(world)
  let verdict: HistoryResult['verdict'] = null

  for (let check = 0; check < MAX_CHECKS && verdict === null && problems.length === 0; check++) {
    met = []
    for (const node of memory) node.setFaults(faults[check] ?? [])
    const observation = await observe(queryFor(transaction), observing)
    const decision = decide(observation, policy, transaction, new Date(nowMs))
    problems.push(...unfit(observation, decision), ...untrue(observation))
    const reached = await concluded(decision)
    const isWrong = reached !== null && !isRight(reached, decision, observation)
    if (isWrong && lied) lies += 1
    if (isWrong && !lied)
      problems.push(`it is ${reached}, seen as ${JSON.stringify(observation).slice(0, 600)}`)
    const result: CheckResult = reached === null ? 'waits' : isWrong ? (lied ? 'lie' : 'wrong') : 'verdict'
    for (const fault of met) onMet(fault, result)
    verdict = reached
    transaction = next(transaction, decision, new Date(nowMs))
    pauseMs = delayOf(decision)
    nowMs += pauseMs
  }
  if (verdict === null && problems.length === 0) problems.push(`no verdict after ${MAX_CHECKS} checks`)
  return { verdict, lies, problems }

  /** What no wrong answer may make of an observation, whether a verdict comes of it or not. */
  function untrue(observation: Observation): string[] {
    const head = world.headAt(nowMs)
    const isIncluded = world.ending !== 'replaced' && world.endsIn !== null && head >= world.endsIn
    const problems: string[] = []
    if (observation.kind === 'unavailable') {
      if (met.length > 0 && met.every(isOfExtra))
        problems.push('extra evidence that fails made it unavailable')
      return problems
    }
    const maxAhead = MAX_LEAP_BLOCKS + (MAX_LEAP_BLOCKS_PER_SECOND * pauseMs) / 1_000
    if (observation.headNumber > head + maxAhead)
      problems.push(`the head was taken for ${observation.headNumber}`)
    if (observation.kind === 'receipt') return problems
    const { headNumber, seen, replacement } = observation
    if (headNumber < head - MAX_BLOCKS_BEHIND)
      problems.push(`it is absent at a head of ${headNumber}, which is old`)
    if (met.some(({ once }) => !once)) return problems
    if (seen && !isDeepStrictEqual(seen, world.seen))
      problems.push(`one answer taught ${JSON.stringify(seen)}`)
    if (isIncluded && replacement.length > 0)
      problems.push('its nonce counts as used up by another, and it is there')
    return problems
  }

  /** The verdict of a decision; null: it waits. */
  async function concluded(decision: Decision): Promise<HistoryResult['verdict']> {
    if (decision.kind === 'settle') return decision.status
    if (decision.kind === 'expire') return 'expired'
    if (decision.kind !== 'replace' || transaction.seen === null) return null
    const found = await findReplacing({ txHash: world.txHash, ...transaction.seen }, observing)
    // That our own transaction consumed the nonce contradicts the evidence.
    if (found.kind === 'found' && found.txHash === world.txHash) return null
    if (found.kind === 'found' && found.txHash !== world.replacedBy && !lied) {
      problems.push(`it is said to be replaced by ${found.txHash}`)
    }
    return 'replaced'
  }

  function isRight(
    reached: NonNullable<HistoryResult['verdict']>,
    decision: Decision,
    observation: Observation,
  ) {
    const head = world.headAt(nowMs)
    const hasEnded = world.endsIn !== null && head >= world.endsIn
    const isIncluded = hasEnded && world.ending !== 'replaced'
    if (reached === 'replaced')
      return world.ending === 'replaced' && hasEnded && head - (world.endsIn ?? 0) >= depth
    if (reached === 'expired') return !isIncluded
    if (decision.kind !== 'settle' || observation.kind !== 'receipt' || world.endsIn === null) return false
    const { blockNumber, blockHash, txHash } = decision.receipt
    return (
      reached === world.ending &&
      isIncluded &&
      head - world.endsIn >= depth &&
      txHash === world.txHash &&
      blockNumber === world.endsIn &&
      blockHash === world.hashOf(world.endsIn)
    )
  }
}

/** Whether only what a receipt's absence does not depend on is wrong. */
function isOfExtra(fault: Fault): boolean {
  return fault.level !== 'request' && (fault.target === 'transactionCount' || fault.target === 'transaction')
}

/** What is wrong with an observation or a decision, whatever the chain is like. */
function unfit(observation: Observation, decision: Decision): string[] {
  const problems: string[] = []
  if (observation.kind === 'unavailable') {
    const { error } = observation
    if (error === '') problems.push('it is unavailable without a reason')
    if (error.length > 3 * MAX_ERROR_CHARACTERS) problems.push(`the error has ${error.length} characters`)
  }
  if (decision.kind === 'wait' && decision.reason === 'node-unavailable' && !decision.error) {
    problems.push('it waits for a node without a reason')
  }
  // What is stored of it is a receipt, three levels down.
  if (!isStorable(observation, -3)) problems.push('the observation has what PostgreSQL can not store')
  return problems
}

function next(transaction: Transaction, decision: Decision, now: Date): Transaction {
  switch (decision.kind) {
    case 'settle':
    case 'replace':
    case 'expire':
      return transaction
    case 'wait':
      return {
        ...noted(transaction, decision.notes),
        retryCount: decision.retryCount,
        consecutiveErrors: decision.consecutiveErrors,
      }
    case 'stall':
      return { ...noted(transaction, decision.notes), status: 'stalled', stalledAt: now }
    case 'keep':
      return noted(transaction, decision.notes)
  }
}

function noted(transaction: Transaction, notes: Extract<Decision, { kind: 'keep' }>['notes']): Transaction {
  return {
    ...transaction,
    seen: notes.seen ?? transaction.seen,
    evidence: notes.evidence ?? transaction.evidence,
    absentChecks: notes.absentChecks ?? transaction.absentChecks,
  }
}

function delayOf(decision: Decision): number {
  if (decision.kind === 'wait') return decision.delayMs
  if (decision.kind === 'keep') return decision.nextCheckInMs ?? 1_000
  return decision.kind === 'stall' ? decision.nextCheckInMs : 1_000
}

function recorded(world: RecordedWorld): Transaction {
  const now = new Date(world.startMs)
  const given = { chain: 'kaia', txHash: world.txHash, kind: 'order', payload: null }
  const unknown = { sender: null, nonce: null, correlationId: null, traceParent: null }
  return recordedTransaction({ ...given, ...unknown }, { id: world.txHash, createdAt: now, nextCheckAt: now })
}

function asItIs(text: string): string {
  return text
}
