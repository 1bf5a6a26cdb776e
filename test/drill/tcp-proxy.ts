import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { listenOnLoopback } from '../../src/dev/ports.ts'

/** One address before servers that take turns, as a name or a virtual address is. */
export interface TcpProxy {
  readonly port: number
  /** From now on connections lead to another port of this machine. Those that are open stay where they are. */
  moveTo(port: number): void
  close(): Promise<void>
}

export async function startTcpProxy(firstPort: number): Promise<TcpProxy> {
  let targetPort = firstPort
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const target = connect({ host: '127.0.0.1', port: targetPort })
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        target.destroy()
      })
    }
    client.pipe(target).pipe(client)
  })
  const port = await listenOnLoopback(server)
  return {
    port,
    moveTo: (changed) => {
      targetPort = changed
    },
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
