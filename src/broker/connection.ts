import { setTimeout as sleep } from 'node:timers/promises'
import { type ChannelModel, connect } from 'amqplib'
import { type AmqpUrls, createHostRotation, hostOf } from './hosts.ts'
import { TopologyMismatchError } from './topology.ts'
import { within } from './within.ts'

export interface BrokerLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface ConnectionOptions {
  readonly urls: AmqpUrls
  /** What the connection is for; shown by the broker and in logs. */
  readonly purpose: string
  /** Runs at every connect, and again after every loss of the connection or of a channel of its set-up. */
  readonly setup: (model: ChannelModel, lost: (reason: string) => void) => Promise<void>
  /** The broker takes messages again after it was blocked. */
  readonly onUnblocked?: () => void
  /** An error that no reconnect cures. */
  readonly onFatal: (error: Error) => void
  readonly log: BrokerLog
  readonly limits?: Partial<ConnectionLimits>
  /** Shuffles the hosts. */
  readonly random?: () => number
}

interface ConnectionLimits {
  /** Until the connection is open, and again until it is set up: a host that is silent in one of them is left. */
  readonly connectMs: number
  readonly setupMs: number
}

export interface BrokerConnection {
  isConnected(): boolean
  /** True between the broker's `blocked` and `unblocked`: it takes no messages. */
  isBlocked(): boolean
  close(): Promise<void>
}

/**
 * amqplib notices a dead peer after up to three of these: work goes on within 10 s, the connecting anew included.
 * With 3 s it was 9.5 s.
 */
const HEARTBEAT_S = 2
/** A set-up is slow where a cluster chooses new leaders of its queues; without a majority it never ends. */
const LIMITS: ConnectionLimits = { connectMs: 10_000, setupMs: 30_000 }
const BACKOFF_MS = { first: 200, longest: 5_000, jitter: 0.2 }
/** A connection that was lost sooner counts as an attempt that failed: hosts that all do this are not tried in a busy loop. */
const LASTING_MS = 1_000

/**
 * Connects in the background and keeps connected, to one host after the other, with a pause whenever all have failed.
 * Every loss, also that of a single channel or consumer, ends the connection, so that there is one way back: connecting
 * anew, which runs `setup` again. amqplib's own recovery knows one host only.
 */
export function openConnection(options: ConnectionOptions): BrokerConnection {
  const { urls, purpose, log, onFatal, random = Math.random } = options
  const { connectMs, setupMs } = { ...LIMITS, ...options.limits }
  const nextUrl = createHostRotation(urls, random)
  const stopping = new AbortController()
  let current: ChannelModel | null = null
  let connected = false
  let blocked = false

  async function stayConnected(): Promise<void> {
    let failures = 0
    while (!stopping.signal.aborted) {
      const url = nextUrl()
      const where = { purpose, host: hostOf(url) }
      try {
        const { lost } = await connectTo(url)
        const sinceMs = performance.now()
        connected = true
        log.info(where, 'broker connected')
        const error = await lost
        connected = false
        if (!stopping.signal.aborted) log.warn({ ...where, err: error }, 'broker disconnected')
        failures = performance.now() - sinceMs < LASTING_MS ? failures + 1 : 1
      } catch (error) {
        if (stopping.signal.aborted) return
        if (error instanceof TopologyMismatchError) {
          stopping.abort()
          onFatal(error)
          return
        }
        failures += 1
        const next = failures % urls.length === 0 ? 'trying again' : 'trying the next host'
        log.warn({ ...where, err: error }, `broker not reached; ${next}`)
      }
      if (failures % urls.length === 0) await pause(backoffMs(failures / urls.length, random))
    }
  }

  /** Resolves when the connection is set up. */
  async function connectTo(url: string): Promise<{ lost: Promise<Error> }> {
    const model = await connect(withHeartbeat(url), {
      timeout: connectMs,
      clientProperties: { connection_name: `confirmd ${purpose}` },
    })
    // Without a listener an error would end the process; the loss itself is told by the close.
    model.on('error', () => undefined)
    const lost = new Promise<Error>((resolve) =>
      model.once('close', (error?: Error) => {
        blocked = false
        resolve(error ?? new Error('the connection was closed'))
      }),
    )
    listenForBlocks(model)
    current = model
    try {
      if (stopping.signal.aborted) throw new Error('it stops')
      const failed = lost.then((error) => Promise.reject(error))
      const setup = options.setup(model, (reason) => drop(model, reason))
      await within(setupMs, Promise.race([setup, failed]), () => {
        return new Error(`the connection was not set up within ${setupMs} ms`)
      })
    } catch (error) {
      model.close().catch(() => undefined)
      throw error
    }
    return { lost }
  }

  function drop(model: ChannelModel, reason: string): void {
    if (stopping.signal.aborted) return
    log.warn({ purpose, reason }, 'broker channel lost; connecting anew')
    model.close().catch(() => undefined)
  }

  function listenForBlocks(model: ChannelModel): void {
    model.on('blocked', (reason) => {
      blocked = true
      log.warn({ purpose, reason }, 'broker takes no messages for now')
    })
    model.on('unblocked', () => {
      blocked = false
      log.info({ purpose }, 'broker takes messages again')
      options.onUnblocked?.()
    })
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
  }

  void stayConnected()
  return {
    isConnected: () => connected,
    isBlocked: () => blocked,
    close: async () => {
      connected = false
      stopping.abort()
      await current?.close().catch(() => undefined)
    },
  }
}

/** The pause after so many rounds in which every host failed. */
function backoffMs(rounds: number, random: () => number): number {
  const { first, longest, jitter } = BACKOFF_MS
  return Math.min(longest, first * 2 ** (rounds - 1)) * (1 - jitter * random())
}

function withHeartbeat(url: string): string {
  const target = new URL(url)
  if (!target.searchParams.has('heartbeat')) target.searchParams.set('heartbeat', String(HEARTBEAT_S))
  return target.toString()
}
