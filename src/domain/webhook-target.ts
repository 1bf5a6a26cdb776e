import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { isLoopbackHost } from './loopback.ts'

/** Where webhooks may go. */
export interface TargetRules {
  /** In development: this machine, and there http too. */
  readonly allowLoopback: boolean
}

/** The part of IPv6 that is given out for hosts of the internet; the rest is special, and some of it means IPv4. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

/** Why a connection to this address must not be made; null if it may. */
export function addressProblem(address: string, { allowLoopback }: TargetRules): string | null {
  if (!ipaddr.isValid(address)) return `'${address}' is no address`
  // An IPv4 address in IPv6 clothes is what it maps to.
  const parsed = ipaddr.process(address)
  const range = parsed.range()
  if (range === 'loopback' && allowLoopback) return null
  if (range !== 'unicast') return `${address} is not a public address (${range})`
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(GLOBAL_UNICAST)) {
    return `${address} is not a public address`
  }
  return null
}

/** Why a webhook must not go to this URL; null if it may, as far as its text shows. Names are resolved later. */
export function targetProblem(url: string, rules: TargetRules): string | null {
  if (!URL.canParse(url)) return 'must be an absolute URL'
  const { protocol, hostname, username, password, hash } = new URL(url)
  if (username !== '' || password !== '') return 'must not contain a user or a password'
  if (hash !== '') return 'must not contain a #'
  const literal = addressIn(hostname)
  const problem = literal === null ? null : addressProblem(literal, rules)
  if (problem) return `must lead to a public address; ${problem}`
  if (!rules.allowLoopback && isLoopbackHost(hostname))
    return 'must lead to a public address, not to this machine'
  if (protocol === 'https:') return null
  if (!rules.allowLoopback) return 'must begin with https://'
  if (protocol === 'http:' && isLoopbackHost(hostname)) return null
  return 'must begin with https://, or http:// for this machine'
}

/** The address that a URL's host spells out; null for a name. */
function addressIn(hostname: string): string | null {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return isIP(bare) ? bare : null
}
