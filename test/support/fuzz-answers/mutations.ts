import type { Random } from '../../drill/random.ts'

/** How the value of a field is made wrong. */
export const FIELD_MUTATIONS = [
  ...(['missing', 'null', 'number', 'boolean', 'empty', 'text', 'other hash', 'other address'] as const),
  ...(['off by one', 'huge', 'beyond a word', 'negative', 'NUL', 'lone surrogate', 'milliseconds'] as const),
  ...(['beyond int4', 'beyond 2^53', 'list', 'object', 'deep', 'a megabyte', 'swapped state'] as const),
] as const
export type FieldMutation = (typeof FIELD_MUTATIONS)[number]

/** How the result of a call as a whole is made wrong. */
export const RESULT_MUTATIONS = [
  ...(['absent', 'an empty list', 'an empty object', 'an empty text', 'a number', 'true'] as const),
  ...(['of another question', 'old', 'far ahead', 'a little ahead', 'doubled'] as const),
] as const
export type ResultMutation = (typeof RESULT_MUTATIONS)[number]

/** How the response object of a call is made wrong. */
export const RESPONSE_MUTATIONS = [
  ...([
    'error',
    'no result',
    'result and error',
    'other id',
    'no id',
    'other version',
    'twice',
    'left out',
  ] as const),
] as const
export type ResponseMutation = (typeof RESPONSE_MUTATIONS)[number]

/** What becomes of a whole request. */
export const REQUEST_MUTATIONS = [
  ...(['batches refused', 'empty list', 'null', 'HTTP 500', 'timeout', 'connection lost', 'busy'] as const),
  ...(['other chain', 'other chain id', 'stands still'] as const),
] as const
export type RequestMutation = (typeof REQUEST_MUTATIONS)[number]

const QUANTITY = /^0x[0-9a-f]{1,64}$/i
const MEGABYTE = 'x'.repeat(1_000_000)
const DEEP_LEVELS = 200

/** The wrong value. Undefined: the field is missing. */
export function mutatedValue(mutation: FieldMutation, value: unknown, random: Random): unknown {
  switch (mutation) {
    case 'missing':
      return undefined
    case 'null':
      return null
    case 'number':
      return typeof value === 'string' && QUANTITY.test(value) ? Number(value) : 7
    case 'boolean':
      return true
    case 'empty':
      return ''
    case 'text':
      return 'latest'
    case 'other hash':
      return randomHex(64, random)
    case 'other address':
      return randomHex(40, random)
    case 'off by one':
      return Array.isArray(value) ? value.slice(1) : offByOne(value, random)
    case 'huge':
      return `0x${'f'.repeat(64)}`
    case 'beyond a word':
      return `0x${'f'.repeat(65)}`
    case 'beyond int4':
      return '0x80000000'
    case 'beyond 2^53':
      return '0x20000000000000'
    case 'negative':
      return '-0x1'
    case 'NUL':
      return typeof value === 'string' ? `${value}\0` : '\0'
    case 'lone surrogate':
      return typeof value === 'string' ? `\ud800${value}` : '\udc00'
    case 'milliseconds':
      return typeof value === 'string' && QUANTITY.test(value) ? hex(BigInt(value) * 1_000n) : 1.5
    case 'list':
      return [value]
    case 'object':
      return { value }
    case 'deep':
      return deep()
    case 'a megabyte':
      return MEGABYTE
    case 'swapped state':
      return value === '0x1' ? '0x0' : '0x1'
  }
}

function offByOne(value: unknown, random: Random): unknown {
  if (typeof value !== 'string' || !QUANTITY.test(value)) return '0x1'
  const number = BigInt(value)
  return hex(number === 0n || random() < 0.5 ? number + 1n : number - 1n)
}

function deep(): unknown {
  let value: unknown = 'end'
  for (let level = 0; level < DEEP_LEVELS; level++) value = level % 2 === 0 ? [value] : { value }
  return value
}

function hex(number: bigint): string {
  return `0x${number.toString(16)}`
}

function randomHex(digits: number, random: Random): string {
  let text = '0x'
  while (text.length < digits + 2) text += Math.floor(random() * 0x1_0000_0000).toString(16)
  return text.slice(0, digits + 2)
}
