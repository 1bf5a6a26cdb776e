import type { Json } from '../domain/json.ts'
import type { Receipt } from '../domain/receipt.ts'
import { readNumber, readQuantity } from './quantity.ts'

const HASH = /^0x[0-9a-f]{64}$/

/**
 * Normalises a receipt as `caver.rpc.klay` gives it: the node's JSON, quantities in hexadecimal.
 * Throws if it is not a complete receipt of this transaction: such an answer proves nothing.
 */
export function toReceipt(answer: Readonly<Record<string, unknown>>, txHash: string): Receipt {
  const transactionHash = String(answer['transactionHash']).toLowerCase()
  if (transactionHash !== txHash)
    throw new Error(`it is the receipt of another transaction, ${transactionHash}`)
  const blockHash = String(answer['blockHash']).toLowerCase()
  if (!HASH.test(blockHash)) throw new Error('it has no block hash')
  return {
    txHash,
    succeeded: readStatus(answer['status']),
    txError: typeof answer['txError'] === 'string' ? answer['txError'] : null,
    blockNumber: readNumber(answer['blockNumber'], 'blockNumber'),
    blockHash,
    transactionIndex: readNumber(answer['transactionIndex'], 'transactionIndex'),
    gasUsed: readQuantity(answer['gasUsed'], 'gasUsed').toString(),
    effectiveGasPriceWei: gasPriceOf(answer),
    sender: null,
    nonce: null,
    raw: withoutBloom(answer),
    notes: [],
  }
}

/** The bloom filter of the logs is half of most receipts, and says nothing that the logs beside it don't say. */
function withoutBloom({ logsBloom: _, ...rest }: Readonly<Record<string, unknown>>): Json {
  return rest as Json
}

/** Only 1 is success and only 0 is failure; anything else says nothing. */
function readStatus(status: unknown): boolean {
  const number = readQuantity(status, 'status')
  if (number === 1n) return true
  if (number === 0n) return false
  throw new Error(`it has no usable status: ${String(status)}`)
}

/** Kaia's receipts had `gasPrice` before `effectiveGasPrice` came. */
function gasPriceOf(answer: Readonly<Record<string, unknown>>): string | null {
  const value = answer['effectiveGasPrice'] ?? answer['gasPrice']
  return value === undefined || value === null ? null : readQuantity(value, 'effectiveGasPrice').toString()
}
