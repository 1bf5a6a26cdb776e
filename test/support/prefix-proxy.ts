import { request as ask, createServer } from 'node:http'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'

/** A reverse proxy that serves another server under a prefix, as nginx does with `proxy_pass http://…/`. */
export interface PrefixProxy {
  /** With the prefix and a slash. */
  readonly url: string
  /** Paths that were asked for outside of the prefix. */
  readonly missed: readonly string[]
  /** While it is cut, nothing that was begun goes on, and nothing is taken. */
  cut(isCut: boolean): void
  stop(): Promise<void>
}

export async function startPrefixProxy(target: string, prefix: string): Promise<PrefixProxy> {
  const missed: string[] = []
  let isCut = false
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    if (isCut) {
      request.destroy()
      return
    }
    if (!path.startsWith(`${prefix}/`)) {
      missed.push(path)
      response.writeHead(404).end()
      return
    }
    const { method, headers } = request
    const forwarded = { ...headers, 'x-forwarded-for': request.socket.remoteAddress ?? '' }
    const passed = ask(`${target}${path.slice(prefix.length)}`, {
      ...(method ? { method } : {}),
      headers: forwarded,
      agent: false,
    })
    passed.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    passed.on('error', () => response.destroy())
    response.on('close', () => passed.destroy())
    request.pipe(passed)
  })
  const port = await listenOnLoopback(server)
  return {
    url: `http://127.0.0.1:${port}${prefix}/`,
    missed,
    cut: (now) => {
      isCut = now
      if (isCut) server.closeAllConnections()
    },
    stop: () => closeAtOnce(server),
  }
}
