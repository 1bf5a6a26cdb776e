import type { Observation } from '../domain/finality.ts'
import { createChainNode } from './node.ts'
import { observe } from './observe.ts'
import { createRpcTransport, type RpcCall } from './rpc-transport.ts'

export interface ChainOptions {
  /** In order of preference. */
  readonly urls: readonly string[]
  readonly chainId: number
  readonly timeoutMs: number
  readonly onCall: (call: RpcCall) => void
}

export interface Chain {
  observe(txHash: string): Promise<Observation>
  close(): Promise<void>
}

export function openChain({ urls, chainId, timeoutMs, onCall }: ChainOptions): Chain {
  const nodes = urls.map((url) => createChainNode(createRpcTransport({ url, timeoutMs, onCall }), chainId))
  return {
    observe: (txHash) => observe(nodes, txHash),
    close: async () => {
      await Promise.all(nodes.map((node) => node.close()))
    },
  }
}
