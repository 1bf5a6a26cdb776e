import { randomUUID } from 'node:crypto'
import type { ChannelModel, ConfirmChannel, Options } from 'amqplib'

export interface OutgoingMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly correlationId: string | null
  readonly headers?: Readonly<Record<string, string | number>>
  /** What differs from a check: an event need not find a queue. */
  readonly properties?: Readonly<Options.Publish>
}

/** A message that the broker did not surely take. It may have taken it all the same. */
export class PublishError extends Error {
  override readonly name = 'PublishError'
}

export interface Publisher {
  /** Uses this connection from now on; part of the connection's set-up. */
  attach(model: ChannelModel, lost: (reason: string) => void): Promise<ConfirmChannel>
  /**
   * Resolves when the broker has stored the message in a queue; rejects with PublishError otherwise. While
   * there is no connection, or the broker is blocked, the message is held back for at most the time limit.
   */
  publish(message: OutgoingMessage): Promise<void>
  /** Sends what was held back, if it can be sent now. */
  flush(): void
}

export interface PublisherOptions {
  /** Limit of one publish, from the call to the broker's confirm. */
  readonly timeoutMs: number
  /** Most messages under way; more are refused, so that memory is bounded. */
  readonly maxInFlight: number
  readonly isBlocked: () => boolean
}

interface InFlight {
  readonly message: OutgoingMessage
  /** The channel that it was sent on; null while it is held back. */
  channel: ConfirmChannel | null
  returned: boolean
  settle(error?: PublishError): void
}

/**
 * A channel that was opened just when a cluster lost the leader of a queue refuses all messages to it for good, also once
 * there is a new leader (seen with RabbitMQ 3.10: for 90 s, at a node that took those of a later channel). So what is
 * refused for that long is tried on a new connection. The time is doubled until something is taken: a queue that is
 * full refuses, too.
 */
const REFUSED_MS = { first: 1_000, longest: 60_000 }

/** Publishes persistent, confirmed and, if the message does not say otherwise, mandatory. */
export function createPublisher(options: PublisherOptions): Publisher {
  let channel: ConfirmChannel | null = null
  let leaveChannel: (reason: string) => void = () => undefined
  /** Since when messages of a route are refused, with none taken in between. */
  const refusedSince = new Map<string, number>()
  let refusedMs = REFUSED_MS.first
  const inFlight = new Map<string, InFlight>()
  const run = randomUUID()
  let published = 0

  async function attach(model: ChannelModel, lost: (reason: string) => void): Promise<ConfirmChannel> {
    const opened = await model.createConfirmChannel()
    opened.on('error', () => undefined)
    opened.on('return', ({ properties, fields }) => {
      // An unroutable message is confirmed all the same; the return comes before the confirm.
      const returned = inFlight.get(String(properties.messageId))
      if (returned) returned.returned = true
      // A queue of ours is gone: the set-up declares it again.
      lost(`no queue is bound to ${fields.exchange} with key ${fields.routingKey}`)
    })
    opened.on('close', () => {
      for (const message of [...inFlight.values()]) {
        if (message.channel !== opened) continue
        message.settle(new PublishError('the channel to the broker was lost before the confirm'))
      }
      if (channel !== opened) return
      channel = null
      lost('the publishing channel was closed')
    })
    channel = opened
    leaveChannel = lost
    refusedSince.clear()
    flush()
    return opened
  }

  function publish(message: OutgoingMessage): Promise<void> {
    if (inFlight.size >= options.maxInFlight) {
      return Promise.reject(new PublishError(`${options.maxInFlight} messages are under way already`))
    }
    published += 1
    const messageId = `${run}-${published}`
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const reason = entry.channel ? 'no confirm' : 'no connection to a broker that takes messages'
        entry.settle(new PublishError(`${reason} within ${options.timeoutMs} ms`))
      }, options.timeoutMs)
      const entry: InFlight = {
        message,
        channel: null,
        returned: false,
        settle: (error) => {
          clearTimeout(timer)
          inFlight.delete(messageId)
          if (error) reject(error)
          else resolve()
        },
      }
      inFlight.set(messageId, entry)
      send(messageId, entry)
    })
  }

  function flush(): void {
    for (const [messageId, entry] of [...inFlight]) {
      if (entry.channel === null) send(messageId, entry)
    }
  }

  function send(messageId: string, entry: InFlight): void {
    if (!channel || options.isBlocked()) return
    const { exchange, routingKey, content, correlationId, headers, properties: given } = entry.message
    const properties = {
      messageId,
      persistent: true,
      mandatory: true,
      contentType: 'application/json',
      ...(correlationId === null ? {} : { correlationId }),
      ...(headers ? { headers } : {}),
      ...given,
    }
    const used = channel
    entry.channel = used
    try {
      used.publish(exchange, routingKey, content, properties, (error: unknown) => {
        if (error) {
          entry.settle(new PublishError('the broker refused the message'))
          if (used === channel) refused(entry.message)
          return
        }
        taken(entry.message)
        if (entry.returned) {
          entry.settle(new PublishError(`no queue is bound to ${exchange} with key ${routingKey}`))
        } else entry.settle()
      })
    } catch (error) {
      entry.settle(new PublishError(`the channel is closing: ${(error as Error).message}`))
    }
  }

  function refused(message: OutgoingMessage): void {
    const route = routeOf(message)
    const now = performance.now()
    const since = refusedSince.get(route) ?? now
    refusedSince.set(route, since)
    const forMs = Math.round(now - since)
    if (forMs < refusedMs) return
    refusedMs = Math.min(2 * refusedMs, REFUSED_MS.longest)
    refusedSince.clear()
    leaveChannel(`messages to ${route} have been refused for ${forMs} ms`)
  }

  function taken(message: OutgoingMessage): void {
    if (refusedSince.size > 0 && refusedSince.delete(routeOf(message))) refusedMs = REFUSED_MS.first
  }

  return { attach, publish, flush }
}

/** What is refused together. The keys of events, which need not find a queue, are as many as there are kinds. */
function routeOf({ exchange, routingKey, properties }: OutgoingMessage): string {
  return properties?.mandatory === false ? exchange : `${exchange} with key ${routingKey}`
}
