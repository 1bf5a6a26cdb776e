import type { Json } from '../domain/json.ts'
import type { Receipt } from '../domain/receipt.ts'

const HASH = /^0x[0-9a-f]{64}$/
const QUANTITY = /^0x[0-9a-f]{1,64}$/i

/**
 * Normalises a receipt as `caver.rpc.klay` gives it: the node's JSON, quantities in hexadecimal.
 * Throws if it is not a complete receipt of this transaction: such an answer proves nothing.
 */
export function toReceipt(answer: Readonly<Record<string, unknown>>, txHash: string): Receipt {
  const transactionHash = String(answer['transactionHash']).toLowerCase()
  if (transactionHash !== txHash) throw new Error(`the receipt is of another transaction, ${transactionHash}`)
  const blockHash = String(answer['blockHash']).toLowerCase()
  if (!HASH.test(blockHash)) throw new Error('the receipt has no block hash')
  return {
    txHash,
    succeeded: readStatus(answer['status']),
    txError: typeof answer['txError'] === 'string' ? answer['txError'] : null,
    blockNumber: Number(quantity(answer, 'blockNumber')),
    blockHash,
    transactionIndex: Number(quantity(answer, 'transactionIndex')),
    gasUsed: quantity(answer, 'gasUsed').toString(),
    effectiveGasPriceWei: gasPriceOf(answer),
    raw: answer as Json,
  }
}

/** Only 1 is success and only 0 is failure; anything else says nothing. */
function readStatus(status: unknown): boolean {
  if (typeof status === 'string' && QUANTITY.test(status)) {
    const number = Number(status)
    if (number === 1) return true
    if (number === 0) return false
  }
  throw new Error(`the receipt has no usable status: ${JSON.stringify(status)}`)
}

function quantity(answer: Readonly<Record<string, unknown>>, field: string): bigint {
  const value = answer[field]
  if (typeof value !== 'string' || !QUANTITY.test(value))
    throw new Error(`the receipt has no usable ${field}`)
  return BigInt(value)
}

/** Kaia's receipts had `gasPrice` before `effectiveGasPrice` came. */
function gasPriceOf(answer: Readonly<Record<string, unknown>>): string | null {
  const value = answer['effectiveGasPrice'] ?? answer['gasPrice']
  return typeof value === 'string' && QUANTITY.test(value) ? BigInt(value).toString() : null
}
