import { type Fields, readFields, readHash, readNumber, shown } from './fields.ts'
import { UnusableAnswer } from './unusable-answer.ts'

export interface Header {
  readonly number: number
  readonly hash: string
  readonly parentHash: string
  /** The block's time, in ms. */
  readonly timeMs: number
}

export interface Block extends Header {
  readonly txHashes: readonly string[]
}

/** How far a block's time may be ahead of ours: clocks differ, and no chain runs further ahead. */
const MAX_TIME_AHEAD_MS = 15 * 60_000

export interface HeaderQuestion {
  readonly blockNumber: number | 'latest'
  readonly nowMs: number
}

/** Reads the answer to "what is the header at this height?". Null: the node has no such block. */
export function readHeader(question: HeaderQuestion, answer: unknown): Header | null {
  return answer === null ? null : readHeaderFields(question, readFields(answer, 'header'))
}

/** Reads the answer to "what is the newest header?", which every node has. */
export function readHead({ nowMs }: { nowMs: number }, answer: unknown): Header {
  return readHeaderFields({ blockNumber: 'latest', nowMs }, readFields(answer, 'header'))
}

/** Reads the answer to "what is the block at this height?". Null: the node has no such block. */
export function readBlock(question: HeaderQuestion, answer: unknown): Block | null {
  if (answer === null) return null
  const fields = readFields(answer, 'block')
  return { ...readHeaderFields(question, fields), txHashes: readTxHashes(fields['transactions']) }
}

function readHeaderFields({ blockNumber, nowMs }: HeaderQuestion, fields: Fields): Header {
  const number = readNumber(fields['number'], 'block number')
  if (blockNumber !== 'latest' && number !== blockNumber) {
    throw new UnusableAnswer(`it is block ${number}, not ${blockNumber}`)
  }
  return {
    number,
    hash: readHash(fields['hash'], 'block hash'),
    parentHash: readHash(fields['parentHash'], 'parentHash'),
    timeMs: readTime(fields['timestamp'], nowMs),
  }
}

function readTime(value: unknown, nowMs: number): number {
  const timeMs = readNumber(value, 'timestamp', MAX_TIMESTAMP_S) * 1_000
  if (timeMs > nowMs + MAX_TIME_AHEAD_MS) {
    throw new UnusableAnswer(`its timestamp ${shown(value)} is in the future by the clock of this machine`)
  }
  return timeMs
}

/** The year 9999, which every date in JavaScript and PostgreSQL can hold. */
const MAX_TIMESTAMP_S = 253_402_300_799

function readTxHashes(value: unknown): string[] {
  if (!Array.isArray(value)) throw new UnusableAnswer(`it has no list of transactions: ${shown(value)}`)
  return value.map((txHash) => readHash(txHash, 'hash in its list of transactions'))
}
