import { setTimeout as sleep } from 'node:timers/promises'
import { type RawData, WebSocket } from 'ws'
import { readNumber } from './facts/fields.ts'

/** New heads as nodes announce them over WebSocket: a hint when to ask, never what is believed. */
export interface HeadAnnouncements {
  /**
   * Resolves when a block of this number or a later one was announced, or after `timeoutMs`, or when `signal` aborts.
   * An announcement counts once: if the block is not to be had after all, the next one is waited for.
   */
  wait(blockNumber: number, timeoutMs: number, signal: AbortSignal): Promise<void>
  close(): void
}

export interface HeadAnnouncementsOptions {
  /** `ws:` or `wss:`; none means that `wait` only waits. */
  readonly urls: readonly string[]
  /** How often a connection is tried whether it lives; one that has not answered by the next time is made anew. */
  readonly pingIntervalMs: number
  /** Told when a node does not announce (why), and when it does again (null). */
  readonly onChanged: (node: string, problem: string | null) => void
}

/** Kaia's name, and that of every other EVM node. */
const SUBSCRIBE_METHODS = ['klay_subscribe', 'eth_subscribe'] as const
/** A header has less than 2 kB. */
const MAX_MESSAGE_BYTES = 1024 * 1024
const SHORTEST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000

/** Connects when it is first waited for: of many workers only one follows the chain. */
export function listenForHeads(options: HeadAnnouncementsOptions): HeadAnnouncements {
  const closing = new AbortController()
  let isListening = false
  let announced: number | null = null
  let wake: () => void = () => undefined

  function announce(blockNumber: number): void {
    announced = Math.max(announced ?? 0, blockNumber)
    wake()
  }

  function listenOnce(): void {
    if (isListening) return
    isListening = true
    for (const url of options.urls) void keepListening(url, options, announce, closing.signal)
  }

  return {
    wait: async (blockNumber, timeoutMs, signal) => {
      listenOnce()
      const isThere = () => announced !== null && announced >= blockNumber
      await new Promise<void>((resolve) => {
        const timer = setTimeout(end, timeoutMs)
        function end(): void {
          clearTimeout(timer)
          signal.removeEventListener('abort', end)
          wake = () => undefined
          resolve()
        }
        wake = () => {
          if (isThere()) end()
        }
        signal.addEventListener('abort', end)
        if (signal.aborted || isThere()) end()
      })
      announced = null
    },
    close: () => closing.abort(),
  }
}

/** Connects again whenever the connection ends, ever later while it brings nothing. */
async function keepListening(
  url: string,
  { pingIntervalMs, onChanged }: HeadAnnouncementsOptions,
  announce: (blockNumber: number) => void,
  closing: AbortSignal,
): Promise<void> {
  const node = new URL(url).host
  let said: string | null | undefined
  let pauseMs = SHORTEST_PAUSE_MS
  const say = (problem: string | null) => {
    if (problem !== said && !closing.aborted) onChanged(node, problem)
    said = problem
  }
  while (!closing.aborted) {
    const problem = await listen(url, pingIntervalMs, closing, (blockNumber) => {
      pauseMs = SHORTEST_PAUSE_MS
      say(null)
      announce(blockNumber)
    })
    say(problem)
    await sleep(pauseMs, undefined, { signal: closing }).catch(() => undefined)
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
  }
}

/** One connection, until it ends; resolves with why. */
function listen(
  url: string,
  pingIntervalMs: number,
  closing: AbortSignal,
  onHead: (blockNumber: number) => void,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, {
      handshakeTimeout: pingIntervalMs,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
    })
    let problem = 'the connection was closed'
    let isAlive = true
    function end(reason: string): void {
      problem = reason
      socket.terminate()
    }
    function subscribe(attempt: number): void {
      const method = SUBSCRIBE_METHODS[attempt]
      if (method) socket.send(JSON.stringify({ jsonrpc: '2.0', id: attempt, method, params: ['newHeads'] }))
      else end('it offers no newHeads')
    }
    const stop = () => end('it is no longer needed')
    const pinging = setInterval(() => {
      if (!isAlive) return end(`it did not answer for ${pingIntervalMs} ms`)
      isAlive = false
      if (socket.readyState === WebSocket.OPEN) socket.ping()
    }, pingIntervalMs)
    closing.addEventListener('abort', stop)
    socket.on('open', () => subscribe(0))
    socket.on('pong', () => {
      isAlive = true
    })
    socket.on('message', (data) => {
      isAlive = true
      const message = readMessage(data)
      if (message.kind === 'refused') subscribe(message.attempt + 1)
      else if (message.kind === 'head') onHead(message.blockNumber)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      problem = error.code ?? error.message
    })
    socket.on('close', () => {
      clearInterval(pinging)
      closing.removeEventListener('abort', stop)
      resolve(problem)
    })
  })
}

type Message =
  | { readonly kind: 'head'; readonly blockNumber: number }
  | { readonly kind: 'refused'; readonly attempt: number }
  | { readonly kind: 'other' }

/** What makes no sense is passed over: it is only a hint. */
function readMessage(data: RawData): Message {
  try {
    const message = JSON.parse(String(data)) as {
      id?: unknown
      error?: unknown
      params?: { result?: { number?: unknown } }
    }
    if (message.error && typeof message.id === 'number') return { kind: 'refused', attempt: message.id }
    const number = message.params?.result?.number
    return number === undefined
      ? { kind: 'other' }
      : { kind: 'head', blockNumber: readNumber(number, 'number') }
  } catch {
    return { kind: 'other' }
  }
}
