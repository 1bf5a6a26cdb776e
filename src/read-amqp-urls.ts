import type { AmqpUrls } from './broker/hosts.ts'

const MAX_HOSTS = 16
const MAX_URL_CHARS = 2_048
/** A name or an address; of version 6 in brackets. */
const HOST = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/
const SCHEME = /^amqps?:\/\//i
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'amqp:': '5672', 'amqps:': '5671' }
/** A comma with no URL after it belongs to a password. */
const SEPARATOR = /,(?=\s*amqps?:\/\/)/i

/** The URLs as they are written, right or wrong. */
export function splitAmqpUrls(text: string): readonly string[] {
  return text.split(SEPARATOR).map((part) => part.trim())
}

/** Throws an Error whose message completes "AMQP_URL …" with every problem. It repeats no URL: each may hold a password. */
export function readAmqpUrls(text: string): AmqpUrls {
  const urls = splitAmqpUrls(text)
  const problems = urls.map(problemOf)
  const told = [
    ...(urls.length > MAX_HOSTS ? [`must name at most ${MAX_HOSTS} hosts, not ${urls.length}`] : []),
    ...problems.flatMap((problem, index) =>
      problem === null ? [] : [urls.length > 1 ? `number ${index + 1} ${problem}` : problem],
    ),
  ]
  if (told.length === 0) told.push(...disagreements(urls.map((url) => new URL(url))))
  if (told.length > 0) throw new Error(told.join('; '))
  return urls as unknown as AmqpUrls
}

function problemOf(url: string): string | null {
  if (url.length > MAX_URL_CHARS) return `must have at most ${MAX_URL_CHARS} characters`
  if (!SCHEME.test(url)) return 'must be a URL that begins with amqp:// or amqps://'
  if (url.includes('#')) return 'must be a URL without #: within a password it is written %23'
  const [, afterScheme = '', ...further] = url.split('://')
  if (further.length > 0 || afterScheme.slice(afterScheme.lastIndexOf('@') + 1).includes(',')) {
    return 'must name several hosts by whole URLs with commas between them: amqp://u:p@a/v,amqp://u:p@b/v'
  }
  if (!URL.canParse(url)) return 'must be written like amqp://user:password@host:5672/vhost'
  return HOST.test(new URL(url).hostname) ? null : 'must name a host'
}

/** What keeps URLs that are right by themselves from being one cluster. */
function disagreements(urls: readonly URL[]): string[] {
  const places = urls.map(
    ({ hostname, port, protocol }) => `${hostname.toLowerCase()}:${port || DEFAULT_PORTS[protocol]}`,
  )
  const first = places.findIndex((place, index) => places.lastIndexOf(place) !== index)
  const repeated =
    first < 0
      ? []
      : [
          `must not name one host twice: numbers ${first + 1} and ${places.lastIndexOf(places[first] ?? '') + 1}`,
        ]
  const vhosts = new Set(urls.map(vhostOf))
  return vhosts.size > 1 ? [...repeated, 'must name the same vhost in each of its URLs'] : repeated
}

/** As amqplib reads it. */
function vhostOf({ pathname }: URL): string {
  const name = pathname.slice(1)
  try {
    return decodeURIComponent(name) || '/'
  } catch {
    return name
  }
}
