import { once } from 'node:events'
import { BlockList, connect, createServer, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Lifecycle } from '../../src/lifecycle.ts'
import { demand } from './poll.ts'

/** Counts who connects to one address of this machine; says nothing to anybody. */
export interface CountingListener {
  readonly address: string
  readonly port: number
  connections(): number
}

/** One on each address of this machine that is not public: 127.0.0.1, ::1 if there is IPv6, those of its networks. */
export function startCountingListeners(lifecycle: Lifecycle): Promise<CountingListener[]> {
  return Promise.all(ownAddresses().map((address) => startCountingListener(lifecycle, address)))
}

/** Ends with the drill. */
export async function startCountingListener(
  lifecycle: Lifecycle,
  address: string,
): Promise<CountingListener> {
  let count = 0
  const server = createServer((socket) => {
    count += 1
    socket.destroy()
  })
  server.listen(0, address)
  await once(server, 'listening')
  lifecycle.add(`listener on ${address}`, () => void server.close())
  const bound = server.address()
  if (typeof bound !== 'object' || bound === null) throw new Error(`no port was given on ${address}`)
  const listener = { address, port: bound.port, connections: () => count }
  await proveThatItCounts(listener)
  count = 0
  return listener
}

/** A webhook may have a public address, even that of this machine. */
const NOT_PUBLIC = new BlockList()
NOT_PUBLIC.addSubnet('127.0.0.0', 8, 'ipv4')
NOT_PUBLIC.addSubnet('10.0.0.0', 8, 'ipv4')
NOT_PUBLIC.addSubnet('172.16.0.0', 12, 'ipv4')
NOT_PUBLIC.addSubnet('192.168.0.0', 16, 'ipv4')
NOT_PUBLIC.addSubnet('100.64.0.0', 10, 'ipv4')
NOT_PUBLIC.addSubnet('192.0.2.0', 24, 'ipv4')
NOT_PUBLIC.addAddress('::1', 'ipv6')
// Not those of a link (fe80::): they need a zone, which no URL has.
NOT_PUBLIC.addSubnet('fc00::', 7, 'ipv6')

function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const usable = all
    .map(({ address }) => address)
    .filter((address) => NOT_PUBLIC.check(address, isIPv4(address) ? 'ipv4' : 'ipv6'))
  return [...new Set(usable)]
}

async function proveThatItCounts({ address, port, connections }: CountingListener): Promise<void> {
  const socket = connect({ host: address, port })
  socket.on('error', () => undefined)
  await demand(`the listener on ${address} counts`, () => connections() === 1, 5_000)
  socket.destroy()
}
