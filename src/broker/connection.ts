import { type ChannelModel, connect, type RecoveringChannelModel } from 'amqplib'
import { TopologyMismatchError } from './topology.ts'

export interface BrokerLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface ConnectionOptions {
  readonly url: string
  /** What the connection is for; shown by the broker and in logs. */
  readonly purpose: string
  /** Runs at every connect, and again after every loss of the connection or of a channel of its set-up. */
  readonly setup: (model: ChannelModel, lost: (reason: string) => void) => Promise<void>
  /** The broker takes messages again after it was blocked. */
  readonly onUnblocked?: () => void
  /** An error that no reconnect cures. */
  readonly onFatal: (error: Error) => void
  readonly log: BrokerLog
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
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Connects in the background and keeps connected. Every loss, also that of a single channel or consumer,
 * ends the connection, so that there is one way back: amqplib's recovery, which runs `setup` again.
 */
export async function openConnection(options: ConnectionOptions): Promise<BrokerConnection> {
  const { purpose, log, onFatal } = options
  let connected = false
  let blocked = false
  let closing = false

  async function setup(model: ChannelModel): Promise<void> {
    // amqplib binds its own listeners only after the set-up; without one an error would end the process.
    model.on('error', () => undefined)
    await options.setup(model, (reason) => {
      if (closing) return
      log.warn({ purpose, reason }, 'broker channel lost; connecting anew')
      model.close().catch(() => undefined)
    })
  }

  const recovering: RecoveringChannelModel = await connect(withHeartbeat(options.url), {
    timeout: CONNECT_TIMEOUT_MS,
    clientProperties: { connection_name: `confirmd ${purpose}` },
    recovery: { initialDelay: 200, maxDelay: 5_000, waitForConnect: false, setup },
  })
  recovering.on('error', () => undefined)
  recovering.on('connect', () => {
    connected = true
    log.info({ purpose }, 'broker connected')
  })
  recovering.on('disconnect', (error) => {
    connected = false
    blocked = false
    log.warn({ purpose, err: error }, 'broker disconnected')
  })
  recovering.on('connect-failed', (error: Error) => {
    if (error instanceof TopologyMismatchError) {
      void recovering.close()
      onFatal(error)
      return
    }
    log.warn({ purpose, err: error }, 'broker not reached; trying again')
  })
  recovering.on('blocked', (reason) => {
    blocked = true
    log.warn({ purpose, reason }, 'broker takes no messages for now')
  })
  recovering.on('unblocked', () => {
    blocked = false
    log.info({ purpose }, 'broker takes messages again')
    options.onUnblocked?.()
  })

  return {
    isConnected: () => connected,
    isBlocked: () => blocked,
    close: async () => {
      connected = false
      closing = true
      await recovering.close()
    },
  }
}

function withHeartbeat(url: string): string {
  const target = new URL(url)
  if (!target.searchParams.has('heartbeat')) target.searchParams.set('heartbeat', String(HEARTBEAT_S))
  return target.toString()
}
