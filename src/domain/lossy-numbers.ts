import { ALWAYS_KEPT_DIGITS } from './json.ts'

/** JSON of a number beyond the range of a double: JSON.parse reads Infinity, which jsonProblem reports. */
const LOSSY_NUMBER = '1e999'

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/**
 * Prepares JSON text for JSON.parse: each number that JSON.parse would round is replaced by one that it reads as
 * Infinity, so that `jsonProblem` finds it. A number is rounded if JSON.stringify writes a decimal number
 * that is not equal to it: `1.10`, `1e2` and `-0` are kept (as 1.1, 100 and 0), `0.1234567890123456789` and
 * `1e-400` are rounded. All other text stays as it is, so JSON.parse accepts the result if and only if it accepts
 * the original. The text is scanned because JSON.parse of Node 20 does not give a reviver the text of a number;
 * lossless-json was tried: it takes 85 ms for 4 MiB of orders, where the scan and JSON.parse together take 20 ms, it
 * refuses duplicate keys, and deep nesting overflows its stack.
 */
export function markLossyNumbers(text: string): string {
  let marked = ''
  let copiedTo = 0
  let at = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
    } else if (code === MINUS || isDigit(code)) {
      const end = endOfNumber(text, at)
      // A malformed number stays for JSON.parse to refuse.
      if (isRounded(text, at, end) && JSON_NUMBER.test(text.slice(at, end))) {
        marked += text.slice(copiedTo, at) + LOSSY_NUMBER
        copiedTo = end
      }
      at = end
    } else {
      at += 1
    }
  }
  return copiedTo === 0 ? text : marked + text.slice(copiedTo)
}

const QUOTE = 0x22
const PLUS = 0x2b
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const UPPER_E = 0x45
const BACKSLASH = 0x5c
const LOWER_E = 0x65

/** Index after the string that starts at this quote; the end of the text if it is not terminated. */
function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1)
  while (quote !== -1) {
    let before = quote - 1
    while (text.charCodeAt(before) === BACKSLASH) before -= 1
    const isEscaped = (quote - before) % 2 === 0
    if (!isEscaped) return quote + 1
    quote = text.indexOf('"', quote + 1)
  }
  return text.length
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1
  while (isPartOfNumber(text.charCodeAt(end))) end += 1
  return end
}

function isPartOfNumber(code: number): boolean {
  return isDigit(code) || code === POINT || isExponentMark(code) || code === PLUS || code === MINUS
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE
}

function isExponentMark(code: number): boolean {
  return code === LOWER_E || code === UPPER_E
}

/** JSON.stringify never writes more significant digits. */
const MAX_WRITTEN_DIGITS = 17
/** Power of ten of the smallest double. */
const MIN_EXPONENT = -324
/** Down to this power of ten a double has all its digits. */
const MIN_FULL_PRECISION_EXPONENT = -307

/**
 * Whether JSON.stringify, after JSON.parse, writes the number between two indexes with another decimal value. One
 * that is too large may be left to JSON.parse, which reads it as Infinity.
 */
function isRounded(text: string, start: number, end: number): boolean {
  let firstDigit = -1
  let lastDigit = -1
  let point = -1
  let at = start
  for (; at < end; at += 1) {
    const code = text.charCodeAt(at)
    if (isExponentMark(code)) break
    if (code === POINT) {
      point = at
    } else if (code !== ZERO && code !== MINUS) {
      if (firstDigit === -1) firstDigit = at
      lastDigit = at
    }
  }
  const isZero = firstDigit === -1
  if (isZero) return false
  if (point === -1) point = at
  const digits = lastDigit - firstDigit + (firstDigit < point && point < lastDigit ? 0 : 1)
  const ownExponent = at < end ? Number(text.slice(at + 1, end)) : 0
  const exponent = ownExponent + point - firstDigit - (firstDigit < point ? 1 : 0)
  if (digits > MAX_WRITTEN_DIGITS || exponent < MIN_EXPONENT) return true
  // The usual case, which costs no conversion: a body may hold a million numbers.
  if (digits <= ALWAYS_KEPT_DIGITS && exponent >= MIN_FULL_PRECISION_EXPONENT) return false
  const given = exponentialNotation(text.slice(firstDigit, lastDigit + 1).replace('.', ''), exponent)
  return given !== Math.abs(Number(text.slice(start, end))).toExponential()
}

/** The form of Number.prototype.toExponential, in which equal numbers have equal texts. */
function exponentialNotation(digits: string, exponent: number): string {
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
  return `${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`
}
