import type { CloudEvent } from '../domain/event.ts'
import { type Api, ApiProblem } from './api.ts'
import { readServerSentEvents } from './server-sent-events.ts'

export type LiveEvent = CloudEvent<{ readonly id?: string; readonly status?: string }>

/** `paused`: the page is not seen, so nothing is read. `refused`: who asks from here is not served. */
export type Connection = 'connecting' | 'live' | 'lost' | 'paused' | 'refused'

export interface Live {
  connection(): Connection
  /** Told when the connection changes. */
  watch(listener: (connection: Connection) => void): () => void
  /** Told of each event, and with null when some may have been missed. */
  listen(listener: (event: LiveEvent | null) => void): () => void
  stop(): void
}

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 15_000
/** Twice the server's heartbeat and some more. */
const SILENCE_MS = 35_000
const GONE = 410
const UNAUTHORIZED = 401
const FORBIDDEN = 403

/** Reads the feed for as long as the page is seen; goes on where it was after each interruption. */
export function createLive(api: Api): Live {
  const watchers = new Set<(connection: Connection) => void>()
  const listeners = new Set<(event: LiveEvent | null) => void>()
  const stopped = new AbortController()
  let connection: Connection = 'connecting'
  let current = new AbortController()
  let lastEventId = ''
  let tries = 0

  function become(next: Connection): void {
    if (connection === next) return
    connection = next
    for (const watcher of watchers) watcher(next)
  }

  function tell(event: LiveEvent | null): void {
    for (const listener of listeners) listener(event)
  }

  async function readOnce(): Promise<void> {
    const silence = new AbortController()
    const signal = AbortSignal.any([stopped.signal, current.signal, silence.signal])
    let timer = setTimeout(() => silence.abort(), SILENCE_MS)
    const alive = () => {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), SILENCE_MS)
    }
    try {
      const headers = lastEventId === '' ? {} : { 'last-event-id': lastEventId }
      const { body } = await api.open('v1/events/stream', { accept: 'text/event-stream', ...headers }, signal)
      if (!body) throw new ApiProblem(0, 'the stream of events is empty')
      become('live')
      // Without an id to go on from, what happened in between is not in the stream.
      tell(null)
      for await (const { id, data } of readServerSentEvents(body, alive)) {
        tries = 0
        if (id !== '') lastEventId = id
        if (data !== '') tell(JSON.parse(data) as LiveEvent)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      if (document.hidden) {
        become('paused')
        await shown(stopped.signal)
        become('connecting')
        continue
      }
      current = new AbortController()
      const problem = await readOnce().catch((error: unknown) => error)
      if (stopped.signal.aborted || current.signal.aborted) continue
      const status = problem instanceof ApiProblem ? problem.status : 0
      // The key is asked for; whoever gives one begins anew.
      if (status === UNAUTHORIZED) return
      if (status === GONE) lastEventId = ''
      // The server ends a stream in good order when it stops: that is no loss yet.
      if (status === FORBIDDEN) become('refused')
      else if (problem !== undefined || tries > 0) become('lost')
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS)
      tries += 1
      await pause(pauseMs / 2 + (Math.random() * pauseMs) / 2, stopped.signal)
    }
  }

  const visibilityChanged = () => {
    if (document.hidden) current.abort()
  }
  document.addEventListener('visibilitychange', visibilityChanged)
  void run()

  return {
    connection: () => connection,
    watch: (listener) => {
      watchers.add(listener)
      return () => watchers.delete(listener)
    },
    listen: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop: () => {
      stopped.abort()
      document.removeEventListener('visibilitychange', visibilityChanged)
    },
  }
}

function shown(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return
      document.removeEventListener('visibilitychange', look)
      resolve()
    }
    document.addEventListener('visibilitychange', look)
    signal.addEventListener('abort', look, { once: true })
  })
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
