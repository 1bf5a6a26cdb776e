import { type Json, MAX_JSON_DEPTH } from '../../domain/json.ts'
import { storableText } from '../../domain/storable-text.ts'

/** Hexadecimal data is kept whole, as long as it is; no other text of a receipt is long. */
const HEXADECIMAL = /^0x[0-9a-f]*$/i
const MAX_TEXT_CHARACTERS = 1_000

/** What had to be changed to make a value storable. */
export interface StorableJson {
  readonly value: Json
  readonly notes: readonly string[]
}

/**
 * A parsed JSON value as a `jsonb` column can hold it: NUL and lone surrogates become U+FFFD, in keys too, texts that
 * are not hexadecimal are cut, and what is nested deeper than 64 levels becomes null.
 *
 * @param subject what the value is, such as `receipt`, for the notes
 */
export function storableJson(given: unknown, subject: string): StorableJson {
  const changes = { texts: 0, depth: 0 }

  function text(value: string): string {
    if (HEXADECIMAL.test(value)) return value
    const stored = storableText(value, MAX_TEXT_CHARACTERS)
    if (stored !== value) changes.texts += 1
    return stored
  }

  function storable(value: unknown, depth: number): Json {
    if (typeof value === 'string') return text(value)
    if (typeof value !== 'object' || value === null) return (value ?? null) as Json
    if (depth >= MAX_JSON_DEPTH) {
      changes.depth += 1
      return null
    }
    if (Array.isArray(value)) return value.map((item) => storable(item, depth + 1))
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [text(key), storable(item, depth + 1)]),
    )
  }

  const value = storable(given, 0)
  const notes = [
    ...(changes.texts > 0
      ? [
          `${changes.texts} text(s) of the ${subject} were cut, or had characters that can't be stored replaced`,
        ]
      : []),
    ...(changes.depth > 0
      ? [`the ${subject} is nested deeper than ${MAX_JSON_DEPTH} levels; what is deeper was left out`]
      : []),
  ]
  return { value, notes }
}
