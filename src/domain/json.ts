/** A JSON value as it is stored and given back. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Deepest nesting that is accepted; the serializers of Node and PostgreSQL recurse. */
export const MAX_JSON_DEPTH = 64

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/** A place in a JSON value, as a path of keys, and why that place can't be stored unchanged. */
export interface JsonProblem {
  readonly path: string
  readonly problem: string
}

/**
 * Why a parsed JSON value can't be stored in a `jsonb` column exactly as it was sent, or null.
 * PostgreSQL refuses NUL and lone surrogates. JSON.parse rounds numbers, so the text must have
 * gone through `markLossyNumbers` before it was parsed.
 */
export function jsonProblem(value: unknown, path: string, depth = 0): JsonProblem | null {
  if (depth > MAX_JSON_DEPTH) return { path, problem: `is nested deeper than ${MAX_JSON_DEPTH} levels` }
  if (typeof value === 'string') return textProblem(value, path)
  if (typeof value === 'number') return numberProblem(value, path)
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const found = jsonProblem(item, `${path}[${index}]`, depth + 1)
      if (found) return found
    }
    return null
  }
  if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const found = textProblem(key, `${path} (a key)`) ?? jsonProblem(item, `${path}.${key}`, depth + 1)
      if (found) return found
    }
  }
  return null
}

function textProblem(text: string, path: string): JsonProblem | null {
  if (text.includes('\u0000'))
    return { path, problem: 'contains the character U+0000, which PostgreSQL can not store' }
  if (LONE_SURROGATE.test(text))
    return { path, problem: 'contains half of a surrogate pair, which is not valid text' }
  return null
}

function numberProblem(number: number, path: string): JsonProblem | null {
  if (Number.isFinite(number) && !mayBeRounded(number)) return null
  return { path, problem: 'is a number that would lose digits; send it as a string' }
}

/** Every decimal number of at most this many significant digits survives a double (C's DBL_DIG). */
export const ALWAYS_KEPT_DIGITS = 15

/** With more digits, a whole number beyond 2^53 - 1 may be one that the sender's own language has rounded. */
function mayBeRounded(number: number): boolean {
  if (!Number.isInteger(number) || Number.isSafeInteger(number)) return false
  return Number(number.toPrecision(ALWAYS_KEPT_DIGITS)) !== number
}
