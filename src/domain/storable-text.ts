const LONE_SURROGATES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
const REPLACEMENT = '\ufffd'
const ELLIPSIS = '…'

/** Most characters of a text from outside that are kept anywhere. */
export const KEPT_CHARACTERS = 500

/**
 * A text from outside as PostgreSQL can store it: NUL and halves of surrogate pairs become U+FFFD, and what is longer
 * than `maxCharacters` (UTF-16 code units) is cut and ends with an ellipsis. Cut first, so that a huge text costs little.
 */
export function storableText(text: string, maxCharacters = KEPT_CHARACTERS): string {
  if (text.length <= maxCharacters) return replaceUnstorable(text)
  const cut = text.slice(0, maxCharacters - ELLIPSIS.length)
  const isSplit = /[\ud800-\udbff]$/.test(cut)
  return replaceUnstorable(isSplit ? cut.slice(0, -1) : cut) + ELLIPSIS
}

function replaceUnstorable(text: string): string {
  return text.replaceAll('\u0000', REPLACEMENT).replace(LONE_SURROGATES, REPLACEMENT)
}
