import { storableText } from '../../domain/storable-text.ts'
import { UnusableAnswer } from './unusable-answer.ts'

/** The fields of an object that a node answered; nothing in it is checked yet. */
export type Fields = Readonly<Record<string, unknown>>

const HASH = /^0x[0-9a-f]{64}$/i
const ADDRESS = /^0x[0-9a-f]{40}$/i
/** At most 32 bytes, as the chain's own words are: 78 decimal digits. */
const QUANTITY = /^0x[0-9a-f]{1,64}$/i
const MAX_SHOWN_CHARACTERS = 80

export function readFields(answer: unknown, what: string): Fields {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
    throw new UnusableAnswer(`it is no ${what}: ${shown(answer)}`)
  }
  return answer as Fields
}

/** 32 bytes, in lower case. */
export function readHash(value: unknown, field: string): string {
  return readText(value, HASH, field).toLowerCase()
}

/** 20 bytes, in lower case. */
export function readAddress(value: unknown, field: string): string {
  return readText(value, ADDRESS, field).toLowerCase()
}

export function readQuantity(value: unknown, field: string): bigint {
  return BigInt(readText(value, QUANTITY, field))
}

/** A quantity from 0 to `maximum`. */
export function readNumber(value: unknown, field: string, maximum = Number.MAX_SAFE_INTEGER): number {
  const quantity = readQuantity(value, field)
  if (quantity > BigInt(maximum)) throw new UnusableAnswer(`its ${field} is out of range: ${shown(value)}`)
  return Number(quantity)
}

function readText(value: unknown, pattern: RegExp, field: string): string {
  if (typeof value !== 'string' || !pattern.test(value)) {
    throw new UnusableAnswer(`it has no usable ${field}: ${shown(value)}`)
  }
  return value
}

/** The beginning of a value, for an error: what a node sent may be of any size and hold any character. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = typeof value === 'string' ? value.slice(0, MAX_SHOWN_CHARACTERS) : value
  return storableText(JSON.stringify(text) ?? String(text), MAX_SHOWN_CHARACTERS)
}
