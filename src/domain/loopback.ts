import { BlockList, isIP, isIPv4 } from 'node:net'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether an address is of this machine alone; an IPv4 address may be written as IPv6 (`::ffff:127.0.0.1`). */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined || isIP(address) === 0) return false
  return LOOPBACK.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

/** Whether a host, as in HOST or in a Host header without its port, names this machine alone. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  return bare.toLowerCase() === 'localhost' || isLoopbackAddress(bare)
}
