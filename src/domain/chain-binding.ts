/** A block that was final when a chain's name was bound: by it a node shows that it is on that chain. */
export interface Anchor {
  readonly number: number
  readonly hash: string
}

/** What a chain's name means in a database. It is written once, by the first node that answered, and stays. */
export interface BoundChain {
  readonly name: string
  readonly chainId: number
  readonly anchor: Anchor
}

/** The settings of this process do not fit what the database knows of the chain. */
export class ChainMismatchError extends Error {
  override readonly name = 'ChainMismatchError'
}

/**
 * Throws ChainMismatchError if the settings name another chain than the one that the name means here.
 * @param chainId CHAIN_ID of this process
 */
export function demandSameChain(bound: BoundChain, chainId: number): void {
  if (bound.chainId === chainId) return
  throw new ChainMismatchError(
    `CHAIN_ID is ${chainId}, but in this database the chain '${bound.name}' is the one with id ${bound.chainId}. Set ` +
      `CHAIN_ID=${bound.chainId} with RPC_URLS of that chain, give this chain a CHAIN of its own, or check DATABASE_URL`,
  )
}
