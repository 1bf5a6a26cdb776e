/** What stands where a secret was. */
const REDACTED = '[redacted]'

/** Shorter words turn up by chance; a password as short protects nothing. */
const SHORTEST_SECRET_CHARS = 8

/** User and password of any URL, also of one that the configuration does not know. */
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'<>]*@/gi
/** A key of the API: its name stays. */
const API_KEY = /\b(ck_[a-z0-9-]+_)[A-Za-z0-9_-]{20,}/g

/**
 * A request's headers, wherever in a line of JSON they are. pino's redaction by paths was among the dearest functions
 * in a profile of the worker, and knows only the places that it was told of.
 */
const SECRET_HEADER =
  /("(?:authorization|cookie|set-cookie|proxy-authorization|x-api-key)":)(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\])/gi

/**
 * Takes secrets out of a text. Made from the URLs of the configuration: their passwords, and the paths and
 * queries of those of nodes, where node providers have their keys. The text is searched as a whole, because
 * nobody knows in which message, cause or property of a library's error an address comes back.
 */
export function createRedact(urls: readonly string[]): (text: string) => string {
  // The longest first: one may be a part of another.
  const secrets = [...new Set(urls.flatMap(secretsOf).flatMap(spellings))].sort(
    (one, other) => other.length - one.length,
  )
  const known = secrets.length > 0 ? new RegExp(secrets.map(escapeRegExp).join('|'), 'g') : null
  return (text) => {
    const cleaned = text
      .replace(URL_CREDENTIALS, `$1${REDACTED}@`)
      .replace(API_KEY, `$1${REDACTED}`)
      .replace(SECRET_HEADER, `$1"${REDACTED}"`)
    return known ? cleaned.replace(known, REDACTED) : cleaned
  }
}

function secretsOf(text: string): string[] {
  if (!URL.canParse(text)) return [text]
  const url = new URL(text)
  const isNode = /^(http|ws)s?:$/.test(url.protocol)
  const words = [
    url.password,
    ...(isNode ? [url.username, ...url.pathname.split('/'), ...url.searchParams.values()] : []),
    // Databases and brokers take settings in the query, a password among them.
    ...(isNode ? [] : passwordsIn(url.searchParams)),
  ]
  // What equals an open part of the same URL, like the user `confirmd`, is no secret and would blank out the log.
  const open = isNode ? [url.hostname] : [url.username, url.hostname, url.pathname.slice(1)]
  return words.filter((word) => word.length >= SHORTEST_SECRET_CHARS && !open.includes(word))
}

function passwordsIn(query: URLSearchParams): string[] {
  return [...query].filter(([name]) => /pass|secret|token|key/i.test(name)).map(([, value]) => value)
}

/** As it is in the URL, decoded, and either of them within a JSON string. */
function spellings(secret: string): string[] {
  const plain = [secret, decoded(secret), encodeURIComponent(decoded(secret))]
  return plain.flatMap((each) => [each, JSON.stringify(each).slice(1, -1)])
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
}
