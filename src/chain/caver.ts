import CaverClass from 'caver-js'
import type { CaverProvider } from './caver-provider.ts'

/** The part of caver-js that is used, typed by what it really returns. */
export interface CaverKlay {
  getBlockNumber(): Promise<string>
  getChainId(): Promise<string>
  getBlockByNumber(blockNumber: number): Promise<{ timestamp: string }>
  getTransactionReceipt(txHash: string): Promise<Record<string, unknown> | null>
}

/** caver-js is CommonJS: its default export is the class, whatever its types say. */
const Caver = CaverClass as unknown as new (provider: CaverProvider) => { rpc: { klay: CaverKlay } }

export function createKlay(provider: CaverProvider): CaverKlay {
  return new Caver(provider).rpc.klay
}
