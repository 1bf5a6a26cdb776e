import { randomUUID } from 'node:crypto'
import type { ChannelModel, ConfirmChannel } from 'amqplib'

export interface OutgoingMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly correlationId: string | null
  readonly headers?: Readonly<Record<string, string>>
}

/** A message that the broker did not surely take. It may have taken it all the same. */
export class PublishError extends Error {
  override readonly name = 'PublishError'
}

export interface Publisher {
  /** Uses this connection from now on; part of the connection's set-up. */
  attach(model: ChannelModel, lost: (reason: string) => void): Promise<ConfirmChannel>
  /** Resolves when the broker has stored the message in a queue; rejects with PublishError otherwise. */
  publish(message: OutgoingMessage): Promise<void>
}

export interface PublisherOptions {
  readonly confirmTimeoutMs: number
  /** Most messages whose confirm is awaited; more are refused, so that memory is bounded. */
  readonly maxInFlight: number
  readonly isBlocked: () => boolean
}

interface InFlight {
  settle(error?: PublishError): void
  returned: boolean
}

/** Publishes persistent, mandatory and confirmed. */
export function createPublisher(options: PublisherOptions): Publisher {
  let channel: ConfirmChannel | null = null
  const inFlight = new Map<string, InFlight>()

  function failAll(reason: string): void {
    for (const message of [...inFlight.values()]) message.settle(new PublishError(reason))
  }

  async function attach(model: ChannelModel, lost: (reason: string) => void): Promise<ConfirmChannel> {
    const opened = await model.createConfirmChannel()
    opened.on('error', () => undefined)
    opened.on('return', (message) => {
      // An unroutable message is confirmed all the same; the return comes before the confirm.
      const returned = inFlight.get(String(message.properties.messageId))
      if (returned) returned.returned = true
      // A queue of ours is gone: the set-up declares it again.
      lost(`no queue is bound to ${message.fields.exchange} with key ${message.fields.routingKey}`)
    })
    opened.on('close', () => {
      if (channel !== opened) return
      channel = null
      failAll('the channel to the broker was lost before the confirm')
      lost('the publishing channel was closed')
    })
    channel = opened
    return opened
  }

  function publish(message: OutgoingMessage): Promise<void> {
    const { exchange, routingKey, content, correlationId, headers } = message
    const open = channel
    if (!open) return Promise.reject(new PublishError('there is no connection to the broker'))
    if (options.isBlocked())
      return Promise.reject(new PublishError('the broker is blocked (out of memory or disk)'))
    if (inFlight.size >= options.maxInFlight) {
      return Promise.reject(new PublishError(`${options.maxInFlight} messages await their confirm already`))
    }
    const messageId = randomUUID()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => entry.settle(new PublishError(`no confirm within ${options.confirmTimeoutMs} ms`)),
        options.confirmTimeoutMs,
      )
      const entry: InFlight = {
        returned: false,
        settle: (error) => {
          clearTimeout(timer)
          inFlight.delete(messageId)
          if (error) reject(error)
          else resolve()
        },
      }
      inFlight.set(messageId, entry)
      const properties = {
        messageId,
        persistent: true,
        mandatory: true,
        contentType: 'application/json',
        ...(correlationId === null ? {} : { correlationId }),
        ...(headers ? { headers } : {}),
      }
      try {
        open.publish(exchange, routingKey, content, properties, (error: unknown) => {
          if (error) entry.settle(new PublishError('the broker refused the message'))
          else if (entry.returned)
            entry.settle(new PublishError(`no queue is bound to ${exchange} with key ${routingKey}`))
          else entry.settle()
        })
      } catch (error) {
        entry.settle(new PublishError(`the channel is closing: ${(error as Error).message}`))
      }
    })
  }

  return { attach, publish }
}
