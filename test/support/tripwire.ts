import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'

/** Which request, and whether the server behind has had it when the wire trips. */
export interface Trip {
  readonly method: 'GET' | 'POST'
  /** Of the path or the body. */
  readonly including: string
  readonly moment: 'before it arrives' | 'before its answer'
}

/** A proxy that does something at one request, which then gets no answer. */
export interface Tripwire {
  readonly url: string
  /** Resolves when `act`, done at the next such request, is done. */
  trip(at: Trip, act: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

export async function startTripwire(targetUrl: string): Promise<Tripwire> {
  const closing = new AbortController()
  let armed: (Trip & { readonly spring: () => void }) | null = null

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/', headers } = incoming
    const body = await text(incoming)
    const tripped = method === armed?.method && `${path}${body}`.includes(armed.including) ? armed : null
    if (tripped) armed = null
    if (tripped?.moment === 'before it arrives') {
      tripped.spring()
      return
    }
    const type = headers['content-type']
    const response = await fetch(`${targetUrl}${path}`, {
      method,
      signal: closing.signal,
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
      ...(method === 'GET' ? {} : { body }),
    })
    const answer = await response.text()
    if (tripped) {
      tripped.spring()
      return
    }
    outgoing.writeHead(response.status, {
      'content-type': response.headers.get('content-type') ?? 'application/json',
    })
    outgoing.end(answer)
  }

  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => outgoing.destroy())
  })
  const port = await listenOnLoopback(server)
  return {
    url: `http://127.0.0.1:${port}`,
    trip: (at, act) =>
      new Promise((resolve, reject) => {
        armed = { ...at, spring: () => void act().then(resolve, reject) }
      }),
    close: async () => {
      closing.abort()
      await closeAtOnce(server)
    },
  }
}
