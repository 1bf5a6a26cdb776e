import { getDomain } from 'tldts'
import { isLoopbackHost } from '../domain/loopback.ts'
import type { RpcEndpoint } from './rpc-endpoint.ts'

const LOOPBACK = 'localhost'

/**
 * Who answers for a node: the label, else the registrable domain of its host, else the address without the port. The
 * nodes of one provider are one witness: they may be one machine, one database and one mistake.
 */
export function providerOf({ url, label }: RpcEndpoint): string {
  if (label !== null) return label
  const { hostname } = new URL(url)
  return isLoopbackHost(hostname) ? LOOPBACK : (getDomain(hostname) ?? hostname)
}
