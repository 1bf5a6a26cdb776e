import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'

/** An HTTP server that answers as a test says. */
export interface ScriptedServer {
  readonly url: string
  stop(): Promise<void>
}

export async function startScriptedServer(
  respond: (body: string) => { readonly status?: number; readonly body: unknown },
): Promise<ScriptedServer> {
  const server = createServer((request, response) => {
    void text(request).then((given) => {
      const { status = 200, body } = respond(given)
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  const port = await listenOnLoopback(server)
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => closeAtOnce(server),
  }
}
