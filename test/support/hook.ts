import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'
import type { CloudEvent } from '../../src/domain/event.ts'

export interface HookRequest {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly event: CloudEvent
  readonly atMs: number
}

/** A webhook's receiver that answers as it is told. */
export interface Hook {
  readonly url: string
  readonly requests: readonly HookRequest[]
  /** 200 until it is changed. */
  answer: (response: ServerResponse) => void
  stop(): Promise<void>
}

export async function startHook(): Promise<Hook> {
  const requests: HookRequest[] = []
  const hook = { answer: (response: ServerResponse) => void response.end() }
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      requests.push({
        headers: request.headers,
        body,
        event: JSON.parse(body) as CloudEvent,
        atMs: Date.now(),
      })
      hook.answer(response)
    })
  })
  const port = await listenOnLoopback(server)
  return Object.assign(hook, {
    url: `http://127.0.0.1:${port}/hook`,
    requests,
    stop: () => closeAtOnce(server),
  })
}

/** Answers with a status and headers. */
export function status(code: number, headers: Record<string, string> = {}): Hook['answer'] {
  return (response) => void response.writeHead(code, headers).end()
}
