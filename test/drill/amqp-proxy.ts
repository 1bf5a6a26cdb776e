import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { listenOnLoopback } from '../../src/dev/ports.ts'

/** What a connection is for, as confirmd tells the broker. */
export type Purpose = 'publish' | 'consume'

/** A connection through the proxy, seen as frames of AMQP. */
export interface ProxiedConnection {
  readonly purpose: Purpose | null
  isOpen(): boolean
  /** From now on what the process sends arrives late, or never (`Infinity`). */
  delayToBroker(delayMs: number): void
  /** From now on what the broker sends arrives late, or never (`Infinity`). */
  delayToProcess(delayMs: number): void
  /** Whether the process has sent this text to the broker, and it was passed on. */
  hasSent(text: string): boolean
  /** Whether the broker has agreed to confirm what is published. */
  isConfirming(): boolean
  /** Whether the process has the broker's confirm of everything that it published and that was passed on. */
  isAllConfirmed(): boolean
  /** Closes the channel that consumes, as the broker does on an error. */
  closeConsumingChannel(): boolean
}

/** Stands between processes and the broker, and breaks what passes. */
export interface AmqpProxy {
  readonly url: string
  /** Open connections, the newest last. */
  connections(purpose: Purpose): readonly ProxiedConnection[]
  /** Connections that were ever opened. */
  opened(): number
  close(): Promise<void>
}

const PROTOCOL_HEADER_BYTES = 8
const FRAME_OVERHEAD_BYTES = 8
const METHOD_FRAME = 1
const FRAME_END = 0xce
const BASIC_CONSUME = 60 * 65_536 + 20
const BASIC_PUBLISH = 60 * 65_536 + 40
const BASIC_ACK = 60 * 65_536 + 80
const CONFIRM_SELECT_OK = 85 * 65_536 + 11
const CHANNEL_CLOSE = 20 * 65_536 + 40
const RECENT_CHARS = 200_000

export async function startAmqpProxy(brokerUrl: string): Promise<AmqpProxy> {
  const target = new URL(brokerUrl)
  const open = new Set<ProxiedConnection>()
  const sockets = new Set<Socket>()
  let opened = 0

  const server = createServer((process) => {
    opened += 1
    const broker = connect({ host: target.hostname, port: Number(target.port) })
    const connection = join(process, broker)
    open.add(connection)
    for (const socket of [process, broker]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(connection)
        sockets.delete(socket)
        process.destroy()
        broker.destroy()
      })
    }
  })
  const port = await listenOnLoopback(server)
  const url = new URL(brokerUrl)
  url.port = String(port)

  return {
    url: url.toString(),
    connections: (purpose) => [...open].filter((each) => each.purpose === purpose),
    opened: () => opened,
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

function join(process: Socket, broker: Socket): ProxiedConnection {
  let purpose: Purpose | null = null
  let consumingChannel: number | null = null
  let sent = ''
  let published = 0n
  const unconfirmed = new Set<bigint>()
  let confirming = false
  const toBroker = createPassage(broker)
  const toProcess = createPassage(process)

  const fromProcess = createFrameReader(PROTOCOL_HEADER_BYTES)
  process.on('data', (chunk) => {
    for (const frame of fromProcess(chunk)) {
      const text = frame.toString('latin1')
      purpose ??= /confirmd (publish|consume)/.exec(text)?.[1] as Purpose | null
      if (methodOf(frame) === BASIC_CONSUME) consumingChannel = frame.readUInt16BE(1)
      toBroker.pass(frame, () => {
        sent = (sent + text).slice(-RECENT_CHARS)
        if (methodOf(frame) === BASIC_PUBLISH) unconfirmed.add(++published)
      })
    }
  })
  const fromBroker = createFrameReader(0)
  broker.on('data', (chunk) => {
    for (const frame of fromBroker(chunk)) {
      toProcess.pass(frame, () => {
        if (methodOf(frame) === BASIC_ACK) confirm(frame.readBigUInt64BE(11), frame.readUInt8(19) === 1)
        if (methodOf(frame) === CONFIRM_SELECT_OK) confirming = true
      })
    }
  })

  function confirm(tag: bigint, upTo: boolean): void {
    for (const each of [...unconfirmed]) if (each === tag || (upTo && each < tag)) unconfirmed.delete(each)
  }

  return {
    get purpose() {
      return purpose
    },
    isOpen: () => !process.destroyed && !broker.destroyed,
    delayToBroker: toBroker.delay,
    delayToProcess: toProcess.delay,
    hasSent: (text) => sent.includes(text),
    isConfirming: () => confirming,
    isAllConfirmed: () => unconfirmed.size === 0,
    closeConsumingChannel: () => {
      if (consumingChannel === null) return false
      toProcess.pass(channelClose(consumingChannel), () => undefined)
      return true
    },
  }
}

/** Passes frames on in order, at once or late. */
function createPassage(target: Socket) {
  let delayMs = 0
  return {
    delay: (changedMs: number) => {
      delayMs = changedMs
    },
    pass: (frame: Buffer, onPassed: () => void) => {
      const write = () => {
        if (target.destroyed) return
        target.write(frame)
        onPassed()
      }
      if (delayMs === 0) write()
      else if (Number.isFinite(delayMs)) setTimeout(write, delayMs)
    },
  }
}

/** Cuts a stream into whole frames, after a header of `headerBytes`. */
function createFrameReader(headerBytes: number): (chunk: Buffer) => Buffer[] {
  let rest: Buffer = Buffer.alloc(0)
  let header = headerBytes
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    const frames: Buffer[] = []
    for (;;) {
      const size =
        header || (rest.length >= FRAME_OVERHEAD_BYTES ? frameBytes(rest) : Number.POSITIVE_INFINITY)
      if (rest.length < size) return frames
      frames.push(rest.subarray(0, size))
      rest = rest.subarray(size)
      header = 0
    }
  }
}

function frameBytes(start: Buffer): number {
  return FRAME_OVERHEAD_BYTES + start.readUInt32BE(3)
}

function methodOf(frame: Buffer): number | null {
  return frame[0] === METHOD_FRAME && frame.length > 10 ? frame.readUInt32BE(7) : null
}

/** channel.close with code 541, "internal error". */
function channelClose(channel: number): Buffer {
  const text = Buffer.from('INTERNAL_ERROR - made by the drill')
  const payload = Buffer.alloc(4 + 2 + 1 + text.length + 4)
  payload.writeUInt32BE(CHANNEL_CLOSE, 0)
  payload.writeUInt16BE(541, 4)
  payload.writeUInt8(text.length, 6)
  text.copy(payload, 7)
  const frame = Buffer.alloc(FRAME_OVERHEAD_BYTES + payload.length)
  frame.writeUInt8(METHOD_FRAME, 0)
  frame.writeUInt16BE(channel, 1)
  frame.writeUInt32BE(payload.length, 3)
  payload.copy(frame, 7)
  frame.writeUInt8(FRAME_END, frame.length - 1)
  return frame
}
