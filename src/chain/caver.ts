import CaverClass from 'caver-js'
import type { CaverProvider } from './caver-provider.ts'

/** Answers of a node, quantities in hexadecimal; nothing in them is to be trusted before it is checked. */
type Answer = Readonly<Record<string, unknown>>

/** The part of caver-js that is used, typed by what it really returns. */
export interface CaverKlay {
  getChainId(): Promise<unknown>
  getHeaderByNumber(blockNumber: number | 'latest'): Promise<Answer | null>
  /** With the hashes of its transactions. */
  getBlockByNumber(blockNumber: number): Promise<Answer | null>
  getBlockReceipts(blockHash: string): Promise<readonly Answer[] | null>
  getTransactionReceipt(txHash: string): Promise<Answer | null>
  getTransactionByHash(txHash: string): Promise<Answer | null>
  getTransactionCount(address: string, blockNumber: number): Promise<unknown>
}

/** caver-js is CommonJS: its default export is the class, whatever its types say. */
const Caver = CaverClass as unknown as new (provider: CaverProvider) => { rpc: { klay: CaverKlay } }

export function createKlay(provider: CaverProvider): CaverKlay {
  return new Caver(provider).rpc.klay
}
