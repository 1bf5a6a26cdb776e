import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import type { CheckHandler, Disposition } from '../domain/check-queue.ts'
import { parseCheckMessage } from '../domain/message.ts'

/** Carries out the dispositions that need a message sent; each rejects if that is not sure. */
export interface DispositionSender {
  /** Sends the message to the wait tier of `delayMs`. */
  wait(message: ConsumeMessage, disposition: Extract<Disposition, { kind: 'wait' }>): Promise<void>
  park(message: ConsumeMessage, reason: string): Promise<void>
}

export interface ConsumerOptions {
  readonly queue: string
  readonly prefetch: number
  readonly chain: string
  readonly handler: CheckHandler
  readonly sender: DispositionSender
  /** Where a message waits when its handler failed, so that nothing could be decided. */
  readonly failureDelayMs: number
  readonly onError: (error: unknown, context: string) => void
}

export interface Consumer {
  /** Starts consuming on this connection; part of the connection's set-up. */
  attach(model: ChannelModel, lost: (reason: string) => void): Promise<Channel>
  isConsuming(): boolean
  /** Takes nothing more and waits for what is in hand. */
  stop(): Promise<void>
}

const REQUEUE_PAUSE_MS = 1_000

/** Hands messages to the handler and does with them what it says: the one place that acks. */
export function createConsumer(options: ConsumerOptions): Consumer {
  const inHand = new Set<Promise<void>>()
  let channel: Channel | null = null
  let consumerTag: string | null = null
  let stopping = false

  async function attach(model: ChannelModel, lost: (reason: string) => void): Promise<Channel> {
    const opened = await model.createChannel()
    opened.on('error', () => undefined)
    opened.on('close', () => {
      if (channel !== opened) return
      channel = null
      consumerTag = null
      if (!stopping) lost('the consuming channel was closed')
    })
    await opened.prefetch(options.prefetch)
    channel = opened
    const onMessage = (message: ConsumeMessage | null) => {
      if (message) {
        take(opened, message)
        return
      }
      consumerTag = null
      if (!stopping) lost('the broker cancelled the consumer')
    }
    if (!stopping) consumerTag = (await opened.consume(options.queue, onMessage)).consumerTag
    return opened
  }

  function take(from: Channel, message: ConsumeMessage): void {
    const finished: Promise<void> = process(from, message).finally(() => inHand.delete(finished))
    inHand.add(finished)
  }

  async function process(from: Channel, message: ConsumeMessage): Promise<void> {
    const disposition = await handle(message)
    try {
      await send(message, disposition)
    } catch (error) {
      options.onError(error, 'message kept at the broker: it could not be sent on')
      // Without the pause a requeue is a busy loop; on a dead channel the broker requeues by itself.
      if (!stopping) await sleep(REQUEUE_PAUSE_MS)
      answer(from, () => from.nack(message, false, true))
      return
    }
    answer(from, () => from.ack(message))
  }

  async function handle(message: ConsumeMessage): Promise<Disposition> {
    const correlationId = message.properties.correlationId
    const parsed = parseCheckMessage(
      message.content.toString('utf8'),
      options.chain,
      typeof correlationId === 'string' ? correlationId.slice(0, 128) : null,
    )
    try {
      return await options.handler({ message: parsed, redelivered: message.fields.redelivered })
    } catch (error) {
      options.onError(error, 'check not carried out; it comes back')
      return { kind: 'wait', delayMs: options.failureDelayMs }
    }
  }

  async function send(message: ConsumeMessage, disposition: Disposition): Promise<void> {
    switch (disposition.kind) {
      case 'ack':
        return
      case 'wait':
        return options.sender.wait(message, disposition)
      case 'park':
        return options.sender.park(message, disposition.reason)
    }
  }

  function answer(from: Channel, send: () => void): void {
    // On a channel that is gone there is nothing to answer: the message is delivered again.
    if (channel !== from) return
    try {
      send()
    } catch (error) {
      options.onError(error, 'message not acknowledged; it is delivered again')
    }
  }

  return {
    attach,
    isConsuming: () => consumerTag !== null,
    stop: async () => {
      stopping = true
      if (channel && consumerTag !== null) {
        await channel.cancel(consumerTag).catch(() => undefined)
        consumerTag = null
      }
      await Promise.all(inHand)
    },
  }
}
