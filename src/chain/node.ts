import type { Observation } from '../domain/finality.ts'
import { createKlay } from './caver.ts'
import { createCaverProvider } from './caver-provider.ts'
import { toReceipt } from './receipt.ts'
import { RpcError } from './rpc-error.ts'
import type { RpcTransport } from './rpc-transport.ts'

/** One node of the chain. */
export interface ChainNode {
  readonly name: string
  /** Head, then receipt; throws RpcError if either can't be had or the node is on another chain. */
  look(txHash: string): Promise<Observation>
  close(): Promise<void>
}

export function createChainNode(transport: RpcTransport, expectedChainId: number): ChainNode {
  const klay = createKlay(createCaverProvider(transport))
  const node = transport.node

  async function call<T>(method: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof RpcError) throw error
      throw new RpcError(
        'rpc-error',
        node,
        method,
        error instanceof Error ? error.message : String(error),
        error,
      )
    }
  }

  function hexNumber(method: string, answer: unknown): number {
    const number = typeof answer === 'string' && answer.startsWith('0x') ? Number(answer) : Number.NaN
    if (Number.isSafeInteger(number)) return number
    throw new RpcError('malformed', node, method, `answered ${JSON.stringify(answer)} instead of a number`)
  }

  let chainChecked = false
  async function checkChain(): Promise<void> {
    if (chainChecked) return
    const method = 'klay_chainID'
    const chainId = hexNumber(method, await call(method, () => klay.getChainId()))
    if (chainId !== expectedChainId) {
      const detail = `it is on chain ${chainId}, not ${expectedChainId}; check RPC_URLS and CHAIN_ID`
      throw new RpcError('wrong-chain', node, method, detail)
    }
    chainChecked = true
  }

  return {
    name: node,
    // The head is read first: if the two answers are not of one moment, the head errs towards waiting.
    look: async (txHash) => {
      await checkChain()
      const headNumber = hexNumber(
        'klay_blockNumber',
        await call('klay_blockNumber', () => klay.getBlockNumber()),
      )
      const method = 'klay_getTransactionReceipt'
      const answer = await call(method, () => klay.getTransactionReceipt(txHash))
      if (answer === null) return { kind: 'absent', node, headNumber }
      try {
        return { kind: 'receipt', node, headNumber, receipt: toReceipt(answer, txHash) }
      } catch (error) {
        throw new RpcError('malformed', node, method, (error as Error).message, error)
      }
    },
    close: () => transport.close(),
  }
}
