import type { CountingListener } from './counting-listeners.ts'
import type { StagedName } from './network-watch.ts'

/** The URL of a webhook, and what must come of it. */
export interface StagedTarget {
  readonly url: string
  readonly hostname: string
  readonly kind: TargetKind
}

/**
 * `text`: forbidden as it is written. `name`: has a forbidden address at each look. `rebinding`: has one at some looks
 * and public ones at others. `public`: may be asked.
 */
type TargetKind = 'text' | 'name' | 'rebinding' | 'public'

export interface StagedTargets {
  readonly names: Readonly<Record<string, StagedName>>
  readonly targets: readonly StagedTarget[]
}

/** Addresses that a webhook may have. It does not matter whose they are: the watch lets nothing through to them. */
export const PUBLIC_ADDRESSES = ['25.200.0.1', '3ffe::1']
const [PUBLIC_4 = '', PUBLIC_6 = ''] = PUBLIC_ADDRESSES
const METADATA = '169.254.169.254'

/** Most lead to who listens on 127.0.0.1; of the others only the watch would tell. */
const LOOPBACK_HOSTS = [
  ...['127.0.0.1', '127.1', '127.0.0.1.', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001'],
  ...['１２７.0.0.1', '127。0。0。1', '0.0.0.0', '0', '127.8.8.8'],
  ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]'],
]
const LOOPBACK_6_HOSTS = ['[::1]', '[0:0:0:0:0:0:0:1]', '[::]']

const HOSTS_ELSEWHERE = [
  ...['10.0.0.1', '10.255.255.254', '172.16.0.1', '172.31.255.254', '192.168.0.1', '100.64.0.1'],
  ...['100.127.255.254', METADATA, '2852039166', '0xa9.0xfe.0xa9.0xfe', '0251.0376.0251.0376'],
  ...['192.0.2.1', '198.18.0.1', '224.0.0.1', '255.255.255.255'],
  ...[`[::ffff:${METADATA}]`, '[::ffff:a00:1]', '[fc00::1]', '[fd00:ec2::254]', '[fe80::1]', '[ff02::1]'],
  ...['[64:ff9b::7f00:1]', '[64:ff9b::a9fe:a9fe]', '[64:ff9b:1::a00:1]', '[2002:7f00:1::]'],
  ...['[2002:a9fe:a9fe::1]', '[2001::1]'],
]

/** The host could be asked, but not so. */
const IMPROPER_URLS = [
  ...['http://always-public.drill.test/', `http://${PUBLIC_4}/`, 'ftp://always-public.drill.test/'],
  ...['https://user:password@always-public.drill.test/', 'https://user@always-public.drill.test/'],
  'https://always-public.drill.test/#fragment',
]

const NAMES_OF_LOOPBACK: Readonly<Record<string, StagedName>> = {
  loopback: always('127.0.0.1'),
  'loopback-6': always('::1'),
  'mapped-loopback': always('::ffff:127.0.0.1'),
  'mapped-loopback-in-hex': always('::ffff:7f00:1'),
  unspecified: always('0.0.0.0'),
  'unspecified-6': always('::'),
  'public-and-loopback': always(PUBLIC_4, '127.0.0.1'),
  'public-and-mapped-loopback': always(PUBLIC_6, '::ffff:127.0.0.1'),
  'rebinds-to-loopback': first([PUBLIC_4], ['127.0.0.1']),
  'loopback-in-turn': inTurn(['127.0.0.1'], [PUBLIC_4]),
  'mapped-loopback-in-turn': inTurn([PUBLIC_6], ['::ffff:127.0.0.1']),
}

const NAMES_ELSEWHERE: Readonly<Record<string, StagedName>> = {
  'always-public': always(PUBLIC_4, PUBLIC_6),
  private: always('10.0.0.1'),
  metadata: always(METADATA),
  'unique-local': always('fd00:ec2::254'),
  'mapped-metadata': always(`::ffff:${METADATA}`),
  'mapped-metadata-in-hex': always('::ffff:a9fe:a9fe'),
  nat64: always('64:ff9b::a9fe:a9fe'),
  '6to4': always('2002:a9fe:a9fe::1'),
  'public-and-private': always(PUBLIC_4, '10.0.0.1'),
  'private-and-public': always('10.0.0.1', PUBLIC_4),
  'public-6-and-metadata': always(PUBLIC_6, PUBLIC_4, METADATA),
  'rebinds-to-private': first([PUBLIC_4], ['10.0.0.1']),
  'rebinds-to-metadata': first([PUBLIC_4], [METADATA]),
  'rebinds-to-public': first([METADATA], [PUBLIC_4]),
  'private-in-turn': inTurn([PUBLIC_4], ['10.0.0.1']),
  'mapped-metadata-in-turn': inTurn([PUBLIC_6], [`::ffff:${METADATA}`]),
  'mixed-in-turn': inTurn([PUBLIC_4, PUBLIC_6], [PUBLIC_4, METADATA]),
}

/** What must not be asked anywhere, not even in development. */
export function stageElsewhere(): StagedTargets {
  const urls = [...HOSTS_ELSEWHERE.map((host) => `https://${host}/`), 'http://10.0.0.1/', ...IMPROPER_URLS]
  return stage(urls, NAMES_ELSEWHERE, () => 443)
}

/** What production must not ask besides: this machine, where somebody listens. */
export function stageThisMachine(listeners: readonly CountingListener[]): StagedTargets {
  const portOf = (address: string): number => {
    const meant = address === '::' ? '::1' : address
    const found = listeners.find((each) => each.address === meant) ?? listeners.find(isOnLoopback)
    return found?.port ?? 443
  }
  const port = portOf('127.0.0.1')
  const networkAddresses = listeners.map(({ address }) => address).filter((each) => !isOfLoopback(each))
  const hosts = [
    ...LOOPBACK_HOSTS.map((host) => `${host}:${port}`),
    ...LOOPBACK_6_HOSTS.map((host) => `${host}:${portOf('::1')}`),
    ...networkAddresses.map((each) => `${each.includes(':') ? `[${each}]` : each}:${portOf(each)}`),
  ]
  const urls = hosts.map((host) => `https://${host}/`)
  const improper = [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, `https://localhost:${port}/`]
  const ownNames = networkAddresses.map((each, index) => [`own-${index}`, always(each)] as const)
  return stage([...urls, ...improper], { ...NAMES_OF_LOOPBACK, ...Object.fromEntries(ownNames) }, portOf)
}

export function together(...all: readonly StagedTargets[]): StagedTargets {
  return {
    names: Object.assign({}, ...all.map(({ names }) => names)) as StagedTargets['names'],
    targets: all.flatMap(({ targets }) => targets),
  }
}

/** Whether a look that had these addresses must lead to no connection. */
export function hasForbidden(addresses: readonly string[]): boolean {
  return addresses.some((address) => !PUBLIC_ADDRESSES.includes(address))
}

function stage(
  urls: readonly string[],
  names: Readonly<Record<string, StagedName>>,
  portOf: (address: string) => number,
): StagedTargets {
  const named = Object.entries(names).map(([label, name]) => {
    const hostname = `${label}.drill.test`
    const telling = name.answers.flat().find((address) => hasForbidden([address])) ?? PUBLIC_4
    const url = `https://${hostname}:${portOf(telling)}/`
    return { name, target: { url, hostname, kind: kindOf(name) } }
  })
  const written = urls.map((url): StagedTarget => ({ url, hostname: new URL(url).hostname, kind: 'text' }))
  return {
    names: Object.fromEntries(named.map(({ name, target }) => [target.hostname, name])),
    targets: [...written, ...named.map(({ target }) => target)],
  }
}

function kindOf({ answers }: StagedName): TargetKind {
  const forbidden = answers.filter(hasForbidden)
  if (forbidden.length === 0) return 'public'
  return forbidden.length === answers.length ? 'name' : 'rebinding'
}

function isOfLoopback(address: string): boolean {
  return address === '127.0.0.1' || address === '::1'
}

function isOnLoopback({ address }: CountingListener): boolean {
  return address === '127.0.0.1'
}

function always(...addresses: string[]): StagedName {
  return { answers: [addresses], again: 'last' }
}

function first(addresses: readonly string[], later: readonly string[]): StagedName {
  return { answers: [addresses, later], again: 'last' }
}

function inTurn(...answers: string[][]): StagedName {
  return { answers, again: 'all' }
}
