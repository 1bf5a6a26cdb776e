export interface ServerSentEvent {
  readonly id: string
  /** Empty: only the id goes on. */
  readonly data: string
}

/**
 * Reads a stream of server-sent events. EventSource would do it too, but can send no key.
 * @param onAlive told whenever anything arrives, a heartbeat too
 */
export async function* readServerSentEvents(
  body: ReadableStream<Uint8Array>,
  onAlive: () => void,
): AsyncGenerator<ServerSentEvent> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    onAlive()
    const frames = (rest + value).split('\n\n')
    rest = frames.pop() ?? ''
    for (const frame of frames) yield toEvent(frame)
  }
}

function toEvent(frame: string): ServerSentEvent {
  const fields = frame.split('\n').map((line) => /^([a-z]+): ?(.*)$/.exec(line))
  const value = (name: string) =>
    fields
      .filter((field) => field?.[1] === name)
      .map((field) => field?.[2] ?? '')
      .join('\n')
  return { id: value('id'), data: value('data') }
}
