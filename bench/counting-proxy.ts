import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Lifecycle } from '../src/lifecycle.ts'
import { createPoster } from './chains.ts'

/** Passes requests on to a node and counts them. */
export interface CountingProxy {
  readonly url: string
  /** HTTP requests, and the JSON-RPC calls in them. */
  readonly counts: { requests: number; calls: number }
}

export async function startCountingProxy(lifecycle: Lifecycle, nodeUrl: string): Promise<CountingProxy> {
  const counts = { requests: 0, calls: 0 }
  const post = createPoster(lifecycle)
  const server = createServer((incoming, outgoing) => {
    text(incoming)
      .then(async (body) => {
        const payload: unknown = JSON.parse(body)
        counts.requests += 1
        counts.calls += Array.isArray(payload) ? payload.length : 1
        return post(nodeUrl, payload)
      })
      .then(
        (answer) => outgoing.setHeader('content-type', 'application/json').end(answer),
        (error: Error) => outgoing.writeHead(502).end(error.message),
      )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  lifecycle.add('counting proxy', async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy got no port')
  return { url: `http://127.0.0.1:${address.port}`, counts }
}
