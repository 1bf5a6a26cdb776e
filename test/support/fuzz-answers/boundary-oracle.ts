import { isDeepStrictEqual } from 'node:util'
import { readAccountNonce } from '../../../src/chain/facts/account-nonce.ts'
import { readBlock, readHead, readHeader } from '../../../src/chain/facts/block.ts'
import { readChainId } from '../../../src/chain/facts/chain-id.ts'
import { readBlockReceipts, readReceipt } from '../../../src/chain/facts/receipt.ts'
import { readTransaction } from '../../../src/chain/facts/transaction.ts'
import { UnusableAnswer } from '../../../src/chain/facts/unusable-answer.ts'
import { RPC_METHODS } from '../../../src/chain/rpc-methods.ts'

/** A question and what a node gave as its result. */
export interface Asked {
  readonly method: string
  readonly params: readonly unknown[]
  readonly result: unknown
  readonly nowMs: number
}

const UNUSABLE = 'unusable'
const QUARTER_HOUR_MS = 900_000

type Fields = Readonly<Record<string, unknown>>

/**
 * Compares what the boundary makes of an answer with what it should, worked out here in another way. Returns what is
 * wrong, or null.
 */
export function boundaryProblem(asked: Asked): string | null {
  const actual = actualOf(asked)
  const expected = expectedOf(asked)
  if (isDeepStrictEqual(actual, expected)) return null
  return `${asked.method} was read as ${preview(actual)} instead of ${preview(expected)}`
}

/** What the boundary makes of it, without what only shows why. */
function actualOf({ method, params: [first], result, nowMs }: Asked): unknown {
  try {
    switch (method) {
      case RPC_METHODS.receipt:
        return comparable(readReceipt({ txHash: String(first) }, result))
      case RPC_METHODS.transaction:
        return readTransaction({ txHash: String(first) }, result)?.seen ?? (result === null ? null : 'unseen')
      case RPC_METHODS.header:
        if (first === 'latest') return readHead({ nowMs }, result)
        return readHeader({ blockNumber: Number(first), nowMs }, result)
      case RPC_METHODS.block:
        return readBlock({ blockNumber: Number(first), nowMs }, result)
      case RPC_METHODS.transactionCount:
        return readAccountNonce(result)
      case RPC_METHODS.chainId:
        return readChainId(result)
      default:
        return null
    }
  } catch (error) {
    if (error instanceof UnusableAnswer) return UNUSABLE
    throw error
  }
}

function comparable(receipt: ReturnType<typeof readReceipt>): unknown {
  if (!receipt) return receipt
  const { raw, notes, ...facts } = receipt
  return { ...facts, isStorable: isStorable(raw), areNotesStorable: isStorable(notes) && isShort(notes) }
}

function expectedOf({ method, params: [first], result, nowMs }: Asked): unknown {
  switch (method) {
    case RPC_METHODS.receipt:
      return result === null ? null : expectedReceipt(first, result)
    case RPC_METHODS.transaction:
      return result === null ? null : expectedTransaction(first, result)
    case RPC_METHODS.header:
      if (result === null) return first === 'latest' ? UNUSABLE : null
      return expectedHeader(first, result, nowMs)
    case RPC_METHODS.block:
      return result === null ? null : expectedBlock(first, result, nowMs)
    case RPC_METHODS.transactionCount:
    case RPC_METHODS.chainId:
      return safeInteger(result) ?? UNUSABLE
    default:
      return null
  }
}

function expectedReceipt(txHash: unknown, result: unknown): unknown {
  const fields = objectOf(result)
  if (!fields) return UNUSABLE
  const { transactionHash, blockHash, blockNumber, status, txError, from, nonce } = fields
  const code = isHex(txError, 1, 8) ? txError : null
  if (!hash(transactionHash) || hash(transactionHash) !== txHash) return UNUSABLE
  if (!hash(blockHash) || safeInteger(blockNumber) === null) return UNUSABLE
  if (status !== '0x1' && status !== '0x0') return UNUSABLE
  if (status === '0x1' && code !== null && Number(code) > 1) return UNUSABLE
  const index = safeInteger(fields['transactionIndex'])
  return {
    txHash,
    succeeded: status === '0x1',
    txError: code,
    blockNumber: safeInteger(blockNumber),
    blockHash: hash(blockHash),
    transactionIndex: index !== null && index < 2 ** 31 ? index : null,
    gasUsed: decimal(fields['gasUsed']),
    effectiveGasPriceWei: decimal(fields['effectiveGasPrice']) ?? decimal(fields['gasPrice']),
    sender: isHex(from, 40, 40) ? String(from).toLowerCase() : null,
    nonce: safeInteger(nonce),
    isStorable: true,
    areNotesStorable: true,
  }
}

function expectedTransaction(txHash: unknown, result: unknown): unknown {
  const fields = objectOf(result)
  if (!fields || hash(fields['hash']) !== txHash) return UNUSABLE
  const { from } = fields
  const nonce = safeInteger(fields['nonce'])
  if (!isHex(from, 40, 40) || nonce === null) return 'unseen'
  return { sender: String(from).toLowerCase(), nonce }
}

function expectedHeader(asked: unknown, result: unknown, nowMs: number): unknown {
  const fields = objectOf(result)
  if (!fields) return UNUSABLE
  const number = safeInteger(fields['number'])
  const seconds = safeInteger(fields['timestamp'])
  const [ownHash, parentHash] = [hash(fields['hash']), hash(fields['parentHash'])]
  if (number === null || seconds === null || !ownHash || !parentHash) return UNUSABLE
  if (asked !== 'latest' && number !== Number(asked)) return UNUSABLE
  if (seconds * 1_000 > nowMs + QUARTER_HOUR_MS) return UNUSABLE
  return { number, hash: ownHash, parentHash, timeMs: seconds * 1_000 }
}

function expectedBlock(asked: unknown, result: unknown, nowMs: number): unknown {
  const header = expectedHeader(asked, result, nowMs)
  const transactions = objectOf(result)?.['transactions']
  if (header === UNUSABLE || !Array.isArray(transactions)) return UNUSABLE
  const txHashes = transactions.map(hash)
  return txHashes.includes(null) ? UNUSABLE : { ...(header as object), txHashes }
}

/** The same for the receipts of a block, of which those that can't be used are left out. */
export function blockReceiptsProblem(
  block: { readonly hash: string; readonly number: number },
  result: unknown,
): string | null {
  const given = Array.isArray(result) ? result : []
  const expected = given.map(
    (each) => expectedReceipt(hash(objectOf(each)?.['transactionHash']), each) as Fields,
  )
  const ofBlock = expected.filter(
    (each) => each['blockHash'] === block.hash && each['blockNumber'] === block.number,
  )
  const once = ofBlock.filter(
    ({ txHash }) => ofBlock.filter((each) => each['txHash'] === txHash).length === 1,
  )
  let actual: unknown
  try {
    actual = readBlockReceipts(block, result)?.map(comparable) ?? null
  } catch (error) {
    if (!(error instanceof UnusableAnswer)) throw error
    actual = UNUSABLE
  }
  const wanted = result === null ? null : Array.isArray(result) ? once : UNUSABLE
  return isDeepStrictEqual(actual, wanted)
    ? null
    : `the receipts of a block were read as ${preview(actual)} instead of ${preview(wanted)}`
}

function objectOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null
}

function isHex(value: unknown, least: number, most: number): value is string {
  if (typeof value !== 'string' || !value.startsWith('0x')) return false
  const digits = value.slice(2)
  if (digits.length < least || digits.length > most) return false
  return [...digits.toLowerCase()].every((digit) => '0123456789abcdef'.includes(digit))
}

function hash(value: unknown): string | null {
  return isHex(value, 64, 64) ? value.toLowerCase() : null
}

function safeInteger(value: unknown): number | null {
  if (!isHex(value, 1, 64)) return null
  const number = BigInt(value)
  return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : null
}

function decimal(value: unknown): string | null {
  return isHex(value, 1, 64) ? BigInt(value).toString() : null
}

/** Whether PostgreSQL takes it as jsonb. */
export function isStorable(value: unknown, depth = 0): boolean {
  if (depth > 64) return false
  if (typeof value === 'string') return !value.includes('\0') && !/\p{Surrogate}/u.test(value)
  if (typeof value !== 'object' || value === null) return true
  const isArray = Array.isArray(value)
  return Object.entries(value).every(
    ([key, each]) => (isArray || isStorable(key, depth)) && isStorable(each, depth + 1),
  )
}

function isShort(notes: readonly string[]): boolean {
  return notes.length <= 20 && notes.every((note) => note.length <= 500)
}

function preview(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 400)
}
