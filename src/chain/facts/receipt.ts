import type { Receipt } from '../../domain/receipt.ts'
import { type Fields, readAddress, readFields, readHash, readNumber, readQuantity, shown } from './fields.ts'
import { createOptionalFields } from './optional-fields.ts'
import { storableJson } from './storable-json.ts'
import { UnusableAnswer } from './unusable-answer.ts'

/** Largest value of the column `transaction_index`. */
const MAX_INT4 = 2 ** 31 - 1
const TX_ERROR = /^0x[0-9a-f]{1,8}$/i
/** Kaia's `txError` codes from here on are reasons of a failure; 0 and 1 are the two states of a receipt. */
const FIRST_FAILURE_CODE = 2

/** Reads the answer to "what is the receipt of this transaction?". Null: the node has none. */
export function readReceipt({ txHash }: { txHash: string }, answer: unknown): Receipt | null {
  if (answer === null) return null
  const fields = readFields(answer, 'receipt')
  const transactionHash = readHash(fields['transactionHash'], 'transactionHash')
  if (transactionHash !== txHash) {
    throw new UnusableAnswer(`it is the receipt of another transaction, ${transactionHash}`)
  }
  const { expected, optional, notes } = createOptionalFields('receipt')
  const succeeded = readStatus(fields['status'])
  const txError = optional(fields['txError'], 'txError', readTxError)
  if (succeeded && txError !== null && Number(txError) >= FIRST_FAILURE_CODE) {
    throw new UnusableAnswer(`its status says success, and its txError ${txError} says failure`)
  }
  const raw = storableJson(withoutBloom(fields), 'receipt')
  return {
    txHash,
    succeeded,
    txError,
    blockNumber: readNumber(fields['blockNumber'], 'blockNumber'),
    blockHash: readHash(fields['blockHash'], 'blockHash'),
    transactionIndex: expected(fields['transactionIndex'], 'transactionIndex', readIndex),
    gasUsed: expected(fields['gasUsed'], 'gasUsed', readDecimal),
    effectiveGasPriceWei: readGasPrice(fields, optional),
    sender: expected(fields['from'], 'from', readAddress),
    nonce: optional(fields['nonce'], 'nonce', readNumber),
    raw: raw.value,
    notes: [...notes, ...raw.notes],
  }
}

/**
 * Reads the answer to "what are the receipts of this block?". Null: the node does not have them. A receipt that can't be
 * used, is of another block, or is there twice is left out: it can be asked for alone.
 */
export function readBlockReceipts(
  block: { readonly hash: string; readonly number: number },
  answer: unknown,
): readonly Receipt[] | null {
  if (answer === null) return null
  if (!Array.isArray(answer)) throw new UnusableAnswer(`it is no list of receipts: ${shown(answer)}`)
  const byHash = new Map<string, Receipt[]>()
  for (const each of answer) {
    const receipt = readAnyReceipt(each)
    if (receipt?.blockHash !== block.hash || receipt.blockNumber !== block.number) continue
    const known = byHash.get(receipt.txHash)
    if (known) known.push(receipt)
    else byHash.set(receipt.txHash, [receipt])
  }
  return [...byHash.values()].filter(({ length }) => length === 1).flat()
}

/** The receipt of whichever transaction it claims to be of; null if it can't be used. */
function readAnyReceipt(answer: unknown): Receipt | null {
  try {
    const txHash = readHash(readFields(answer, 'receipt')['transactionHash'], 'transactionHash')
    return readReceipt({ txHash }, answer)
  } catch (error) {
    if (error instanceof UnusableAnswer) return null
    throw error
  }
}

/** Exactly these two values decide; anything else says nothing. */
function readStatus(status: unknown): boolean {
  if (status === '0x1') return true
  if (status === '0x0') return false
  throw new UnusableAnswer(`it has no usable status: ${shown(status)}`)
}

function readTxError(value: unknown, field: string): string {
  if (typeof value === 'string' && TX_ERROR.test(value)) return value
  throw new UnusableAnswer(`it has no usable ${field}: ${shown(value)}`)
}

function readIndex(value: unknown, field: string): number {
  return readNumber(value, field, MAX_INT4)
}

function readDecimal(value: unknown, field: string): string {
  return readQuantity(value, field).toString()
}

/** Kaia's receipts had only `gasPrice` before `effectiveGasPrice` came. */
function readGasPrice(
  fields: Fields,
  optional: ReturnType<typeof createOptionalFields>['optional'],
): string | null {
  return (
    optional(fields['effectiveGasPrice'], 'effectiveGasPrice', readDecimal) ??
    optional(fields['gasPrice'], 'gasPrice', readDecimal)
  )
}

/** The bloom filter of the logs is half of most receipts, and says nothing that the logs beside it don't say. */
function withoutBloom({ logsBloom: _, ...rest }: Fields): Fields {
  return rest
}
