import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../src/dev/ports.ts'
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
  const port = await listenOnLoopback(server)
  lifecycle.add('counting proxy', () => closeAtOnce(server))
  return { url: `http://127.0.0.1:${port}`, counts }
}
