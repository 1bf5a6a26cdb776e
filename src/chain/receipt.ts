import type { Json } from '../domain/json.ts'
import type { Receipt } from '../domain/receipt.ts'

const HASH = /^0x[0-9a-f]{64}$/

/**
 * Normalises a receipt as caver-js formats it (numbers decoded, `status` a boolean).
 * Throws if it is not a complete receipt of this transaction: such an answer proves nothing.
 */
export function toReceipt(answer: Record<string, unknown>, txHash: string): Receipt {
  const transactionHash = String(answer['transactionHash']).toLowerCase()
  if (transactionHash !== txHash) throw new Error(`the receipt is of another transaction, ${transactionHash}`)
  if (typeof answer['status'] !== 'boolean') throw new Error('the receipt has no status')
  const blockHash = String(answer['blockHash']).toLowerCase()
  if (!HASH.test(blockHash)) throw new Error('the receipt has no block hash')
  return {
    txHash,
    succeeded: answer['status'],
    txError: typeof answer['txError'] === 'string' ? answer['txError'] : null,
    blockNumber: wholeNumber(answer, 'blockNumber'),
    blockHash,
    transactionIndex: wholeNumber(answer, 'transactionIndex'),
    gasUsed: String(wholeNumber(answer, 'gasUsed')),
    effectiveGasPriceWei: weiOrNull(answer['effectiveGasPrice'] ?? answer['gasPrice']),
    raw: answer as Json,
  }
}

function wholeNumber(answer: Record<string, unknown>, field: string): number {
  const value = answer[field]
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new Error(`the receipt has no usable ${field}`)
  return value as number
}

function weiOrNull(value: unknown): string | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null
  return BigInt(value).toString()
}
