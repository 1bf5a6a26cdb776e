import type { DrillChain } from './chain.ts'
import type { ChainView } from './node-answers.ts'

/** Where the other chain has what ours does not, or not yet: in one of so many blocks from its first on. */
const FIRST_BLOCK = 1_000
const BLOCKS_USED = 20
/** Of every account: busier than it is on our chain. */
const NONCE = 500

/**
 * Another chain with blocks at the same heights, on which the same signed transactions were sent: all are included,
 * and those of ours that were included ended the other way.
 */
export function foreignChainOf(chain: DrillChain): ChainView {
  function blockHash(blockNumber: number): string {
    return `0x${'c'.repeat(32)}${blockNumber.toString(16).padStart(32, '0')}`
  }

  return {
    blockHash,
    timestampS: chain.timestampS,
    transactionsIn: chain.transactionsIn,
    isKnown: () => true,
    nonceOf: () => NONCE,
    find: (txHash, headNumber) => {
      const ours = chain.find(txHash, headNumber)
      if (ours) {
        const outcome = ours.outcome === 'confirmed' ? 'failed' : 'confirmed'
        return { ...ours, outcome, blockHash: blockHash(ours.blockNumber) }
      }
      const blockNumber = FIRST_BLOCK + (Number.parseInt(txHash.slice(2, 6), 16) % BLOCKS_USED)
      if (blockNumber > headNumber) return null
      return { blockNumber, index: 0, outcome: 'confirmed', blockHash: blockHash(blockNumber) }
    },
  }
}
