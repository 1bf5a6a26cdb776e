import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { listenOnLoopback } from '../../src/dev/ports.ts'

export interface Registration {
  readonly txHash: string
  readonly kind: string
  readonly payload: unknown
}

/** Takes registrations as confirmd does, one or many in a request, and prints where. */
export async function serveRegistrations(
  register: (registration: Registration) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    text(request)
      .then(async (body) => {
        const given = JSON.parse(body) as Registration | { transactions: Registration[] }
        const registrations = 'transactions' in given ? given.transactions : [given]
        await Promise.all(registrations.map(register))
      })
      .then(
        () => response.writeHead(202).end('{}'),
        (error: Error) => response.writeHead(500).end(error.message),
      )
  })
  const port = await listenOnLoopback(server)
  process.stdout.write(`http://127.0.0.1:${port}\n`)
}
