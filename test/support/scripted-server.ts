import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'

/** An HTTP server that answers as a test says. */
export interface ScriptedServer {
  readonly url: string
  stop(): Promise<void>
}

export type ScriptedResponse =
  | { readonly status?: number; readonly delayMs?: number; readonly body: unknown }
  /** The connection ends without an answer. */
  | 'disconnect'
  /** No answer, and no end. */
  | 'hang'

export async function startScriptedServer(
  respond: (body: string) => ScriptedResponse,
): Promise<ScriptedServer> {
  const server = createServer((request, response) => {
    void text(request).then((given) => {
      const answer = respond(given)
      if (answer === 'hang') return
      if (answer === 'disconnect') {
        response.destroy()
        return
      }
      const { status = 200, delayMs = 0, body } = answer
      setTimeout(() => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      }, delayMs)
    })
  })
  const port = await listenOnLoopback(server)
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => closeAtOnce(server),
  }
}
