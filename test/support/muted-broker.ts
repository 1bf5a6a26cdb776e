import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { listenOnLoopback } from '../../src/dev/ports.ts'

/** Stands before the broker, passes everything, and says nothing more to who has sent a certain text. */
export interface MutedBroker {
  readonly url: string
  /** Whether the text was sent. */
  isMute(): boolean
  /** Breaks every connection that passes; new ones are taken. */
  disconnect(): void
  close(): Promise<void>
}

export async function startMutedBroker(brokerUrl: string, muteAfter: string): Promise<MutedBroker> {
  const target = new URL(brokerUrl)
  const sockets = new Set<Socket>()
  let mute = false
  const server = createServer((client) => {
    const broker = connect({ host: target.hostname, port: Number(target.port) })
    let sent = ''
    client.on('data', (chunk) => {
      sent += chunk.toString('latin1')
      if (sent.includes(muteAfter)) mute = true
      broker.write(chunk)
    })
    broker.on('data', (chunk) => {
      if (!mute) client.write(chunk)
    })
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        broker.destroy()
      })
    }
  })
  const port = await listenOnLoopback(server)
  const url = new URL(brokerUrl)
  url.port = String(port)
  function disconnect(): void {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.toString(),
    isMute: () => mute,
    disconnect,
    close: async () => {
      disconnect()
      server.close()
      await once(server, 'close')
    },
  }
}
