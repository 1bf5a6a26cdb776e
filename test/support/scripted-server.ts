import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

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
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the scripted server got no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
