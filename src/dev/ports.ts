import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { connect, createServer, type Server } from 'node:net'

/** Lets a server listen on a free port of the loopback address; resolves with the port. */
export async function listenOnLoopback(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port was given')
  return address.port
}

/** Closes a server with whatever is connected to it. */
export async function closeAtOnce(server: HttpServer): Promise<void> {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
}

/** A port of the loopback address that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listenOnLoopback(server)
  server.close()
  await once(server, 'close')
  return port
}

/** Below the ports that systems give to outgoing connections: from 32768 on Linux, from 49152 on others. */
const RESTARTABLE_PORTS = { first: 20_000, end: 32_000 }

/**
 * A free port for a server that ends and starts again on it. While it is down no outgoing connection takes the port,
 * as happens to those of `freePort`.
 */
export async function freeRestartablePort(): Promise<number> {
  for (;;) {
    const port = randomInt(RESTARTABLE_PORTS.first, RESTARTABLE_PORTS.end)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    // All addresses: Erlang's distribution listens on them.
    server.listen(port, () => server.close(() => resolve(true)))
  })
}

/** Whether something accepts connections there. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
