import type { Observation, Query } from '../../../src/domain/finality.ts'
import type { Receipt } from '../../../src/domain/receipt.ts'
import { MODEL_POLICY } from './policy.ts'

/**
 * How the node that is asked sees the chain. `truth`: as it is. `race`: the head was read before a new block,
 * the receipt after it. `lag`: two blocks behind. `null`: at the head, but without the receipt. `nonce`: the
 * same, with the sender's nonce used up, as by two nodes behind one address of which one lags. `orphan`: on
 * the fork that was left, if there was one. `error`: not at all.
 */
export const NODE_VIEWS = ['truth', 'race', 'lag', 'null', 'nonce', 'orphan', 'error'] as const
export type NodeView = (typeof NODE_VIEWS)[number]

interface Block {
  readonly number: number
  readonly hash: string
  readonly succeeded: boolean
}

/** A chain on which a block with `depth` blocks after it is final, and any other may be forked off. */
export interface ModelChain {
  view: NodeView
  include(txHash: string, succeeded: boolean): void
  /** Takes a transaction off again, if its block is not final. */
  reorganise(txHash: string): void
  mine(blocks: number): void
  /** The block that says for good what became of a transaction, or null as long as there is none. */
  finalBlock(txHash: string): Block | null
  isIncluded(txHash: string): boolean
  /** Another transaction takes the nonce, for good; nothing if this one is included. */
  replace(txHash: string): void
  isReplaced(txHash: string): boolean
  /** A look that saw it otherwise is noted: wrong sightings begin anew. */
  contradict(txHash: string): void
  observe(query: Query): Observation
}

const NODE = 'model'

/** Wrong sightings in a row: one less than what the rule for `replaced` is proof against. */
const MAX_WRONG_SIGHTINGS = MODEL_POLICY.replacement.looks - 1

export function createModelChain(depth: number): ModelChain {
  const included = new Map<string, Block>()
  const orphaned = new Map<string, Block>()
  const replaced = new Set<string>()
  const wrongSightings = new Map<string, number>()
  let head = 100
  let made = 0

  const isFinal = (block: Block) => head - block.number >= depth

  /** No receipt; where it is asked for, with a sighting of the nonce if it `isUsed`. */
  function absent({ thorough }: Query, headNumber: number, isUsed: boolean): Observation {
    const sighting = { node: NODE, headNumber, nonce: 8 }
    const replacement = thorough && isUsed ? [sighting] : []
    return { kind: 'absent', nodes: [NODE], providers: 1, headNumber, inPool: false, seen: null, replacement }
  }

  function seen(query: Query, block: Block | undefined, headNumber: number): Observation {
    const { txHash } = query
    if (!block) return absent(query, headNumber, replaced.has(txHash))
    return { kind: 'receipt', node: NODE, headNumber, receipt: receiptOf(txHash, block) }
  }

  function seeNonce(query: Query, block: Block | undefined): Observation {
    const wrong = wrongSightings.get(query.txHash) ?? 0
    if (!query.thorough || replaced.has(query.txHash) || wrong >= MAX_WRONG_SIGHTINGS) {
      return seen(query, block, head)
    }
    wrongSightings.set(query.txHash, wrong + 1)
    return absent(query, head, true)
  }

  const chain: ModelChain = {
    view: 'truth',
    include: (txHash, succeeded) => {
      if (included.has(txHash) || replaced.has(txHash)) return
      head += 1
      made += 1
      included.set(txHash, { number: head, hash: `0x${made.toString(16).padStart(64, '0')}`, succeeded })
    },
    reorganise: (txHash) => {
      const block = included.get(txHash)
      if (!block || isFinal(block)) return
      included.delete(txHash)
      orphaned.set(txHash, block)
    },
    mine: (blocks) => {
      head += blocks
    },
    finalBlock: (txHash) => {
      const block = included.get(txHash)
      return block && isFinal(block) ? block : null
    },
    isIncluded: (txHash) => included.has(txHash),
    replace: (txHash) => {
      if (!included.has(txHash)) replaced.add(txHash)
    },
    isReplaced: (txHash) => replaced.has(txHash),
    contradict: (txHash) => void wrongSightings.delete(txHash),
    observe: (query) => {
      const { txHash } = query
      const block = included.get(txHash)
      const orphan = orphaned.get(txHash)
      switch (chain.view) {
        case 'truth':
          return seen(query, block, head)
        case 'race':
          return seen(query, block, head - 1)
        case 'lag':
          return seen(query, block && block.number <= head - 2 ? block : undefined, head - 2)
        case 'null':
          return seen(query, undefined, head)
        case 'nonce':
          return seeNonce(query, block)
        case 'orphan':
          // A fork that was left never had as many blocks after this one as make it final.
          return orphan
            ? seen(query, orphan, Math.min(head, orphan.number + depth - 1))
            : seen(query, block, head)
        case 'error':
          return { kind: 'unavailable', error: 'the node does not answer' }
      }
    },
  }
  return chain
}

function receiptOf(txHash: string, { number, hash, succeeded }: Block): Receipt {
  return {
    txHash,
    succeeded,
    txError: succeeded ? null : '0x9',
    blockNumber: number,
    blockHash: hash,
    transactionIndex: 0,
    gasUsed: '21000',
    effectiveGasPriceWei: '25000000000',
    sender: null,
    nonce: null,
    notes: [],
    raw: { transactionHash: txHash, status: succeeded ? '0x1' : '0x0' },
  }
}
