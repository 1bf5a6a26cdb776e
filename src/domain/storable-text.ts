/** NUL and the halves of surrogate pairs: PostgreSQL refuses a text or a jsonb value that holds one. */
const UNSTORABLE = /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
const REPLACEMENT = '\ufffd'
const ELLIPSIS = '…'

/**
 * The text as PostgreSQL can store it: NUL and lone surrogates become U+FFFD. It is cut to at most `maxCharacters`
 * UTF-16 code units, the ellipsis that marks the cut among them; no surrogate pair is split.
 */
export function storableText(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text.replace(UNSTORABLE, REPLACEMENT)
  const end = Math.max(0, maxCharacters - ELLIPSIS.length)
  const endsInPair = isHighSurrogate(text.charCodeAt(end - 1)) && isLowSurrogate(text.charCodeAt(end))
  const cut = text.slice(0, endsInPair ? end - 1 : end)
  return `${cut.replace(UNSTORABLE, REPLACEMENT)}${ELLIPSIS}`
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff
}
