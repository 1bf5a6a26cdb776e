import { readChainId } from './facts/chain-id.ts'
import { RpcError } from './rpc-error.ts'
import { RPC_METHODS } from './rpc-methods.ts'

export interface ChainIdentityOptions {
  readonly node: string
  readonly chainId: number
  /** Told when the node is found on another chain (the problem), and when it is back on ours (null). */
  readonly onChainChecked: (node: string, problem: string | null) => void
}

/** Checks a node's answer to "which chain are you on?"; throws what makes its other answers worthless. */
export type ChainIdentity = (answer: unknown) => void

export function createChainIdentity({ node, chainId, onChainChecked }: ChainIdentityOptions): ChainIdentity {
  let known: string | null = null
  return (answer) => {
    const actual = readChainId(answer)
    const problem =
      actual === chainId ? null : `it is on chain ${actual}, not ${chainId}; check RPC_URLS and CHAIN_ID`
    if (problem !== known) onChainChecked(node, problem)
    known = problem
    if (problem !== null) throw new RpcError('wrong-chain', { node, method: RPC_METHODS.chainId }, problem)
  }
}
