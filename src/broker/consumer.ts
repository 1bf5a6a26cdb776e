import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import type { CheckHandler, Disposition } from '../domain/check-queue.ts'
import { parseCheckMessage } from '../domain/message.ts'
import { storableCorrelationIdOf } from './correlation-id.ts'

/** Carries out the dispositions that need a message sent; each rejects if that is not sure. */
export interface DispositionSender {
  /** Sends the message to the wait tier of `delayMs`. */
  wait(
    message: ConsumeMessage,
    disposition: Extract<Disposition, { kind: 'wait' }>,
    headers?: Readonly<Record<string, number>>,
  ): Promise<void>
  park(message: ConsumeMessage, reason: string): Promise<void>
}

export interface ConsumerOptions {
  readonly queue: string
  readonly prefetch: number
  readonly chain: string
  readonly handler: CheckHandler
  readonly sender: DispositionSender
  /** Rejects while no check can be carried out; consuming pauses until it resolves. */
  readonly checkHealth: () => Promise<void>
  /** Where a message waits when only its own handling failed. */
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

/** A pause before a message is requeued: without it a requeue is a busy loop. */
const REQUEUE_PAUSE_MS = 1_000
const HEALTH_CHECK_MS = { first: 250, longest: 5_000 }
/** Counts how often the handling of a message failed while everything else worked. */
const FAILURES_HEADER = 'x-confirmd-failures'
const FAILURES_TO_PARK = 50

/** Hands messages to the handler and does with them what it says: the one place that acks. */
export function createConsumer(options: ConsumerOptions): Consumer {
  const inHand = new Set<Promise<void>>()
  let channel: Channel | null = null
  let consumerTag: string | null = null
  let pause: { cancelled: Promise<void> } | null = null
  let lose: (reason: string) => void = () => undefined
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
    lose = lost
    if (!pause) await startConsuming(opened)
    return opened
  }

  async function startConsuming(on: Channel): Promise<void> {
    if (stopping) return
    const { consumerTag: tag } = await on.consume(options.queue, (message) => {
      if (message) {
        take(on, message)
        return
      }
      consumerTag = null
      if (!stopping) lose('the broker cancelled the consumer')
    })
    consumerTag = tag
  }

  async function stopConsuming(): Promise<void> {
    if (!channel || consumerTag === null) return
    const tag = consumerTag
    consumerTag = null
    await channel.cancel(tag).catch(() => undefined)
  }

  function take(from: Channel, message: ConsumeMessage): void {
    const finished: Promise<void> = process(from, message).finally(() => inHand.delete(finished))
    inHand.add(finished)
  }

  async function process(from: Channel, message: ConsumeMessage): Promise<void> {
    try {
      const disposition = await handle(message)
      await send(message, disposition)
      answer(from, () => from.ack(message))
    } catch (error) {
      options.onError(error, 'check not carried out; it comes back')
      await ((await isHealthy()) ? failAlone(from, message, error) : failWithAll(from, message))
    }
  }

  async function handle(message: ConsumeMessage): Promise<Disposition> {
    const { headers = {} } = message.properties
    const content = message.content.toString('utf8')
    const parsed = parseCheckMessage(content, options.chain, storableCorrelationIdOf(message))
    // Sent to wait because its handling failed, it came back as a new message; it was handed out before all the same.
    const redelivered = message.fields.redelivered || headers[FAILURES_HEADER] !== undefined
    return options.handler({
      message: parsed,
      redelivered,
      deliveryCount: Number(headers['x-delivery-count'] ?? 0),
    })
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

  /** Everything else works: the message waits by itself, and is set aside if that does not help. */
  async function failAlone(from: Channel, message: ConsumeMessage, cause: unknown): Promise<void> {
    const failures = Number(message.properties.headers?.[FAILURES_HEADER] ?? 0) + 1
    try {
      if (failures >= FAILURES_TO_PARK) {
        await options.sender.park(message, `its handling failed ${failures} times: ${String(cause)}`)
      } else {
        const wait = { kind: 'wait', delayMs: options.failureDelayMs } as const
        await options.sender.wait(message, wait, { [FAILURES_HEADER]: failures })
      }
      answer(from, () => from.ack(message))
    } catch (error) {
      options.onError(error, 'message kept at the broker: it could not be sent on')
      if (!stopping) await sleep(REQUEUE_PAUSE_MS)
      answer(from, () => from.nack(message, false, true))
    }
  }

  /** The database is away: nothing is taken until it is back, and what was taken stays at the broker. */
  async function failWithAll(from: Channel, message: ConsumeMessage): Promise<void> {
    pause ??= startPause()
    await pause.cancelled
    answer(from, () => from.nack(message, false, true))
  }

  function startPause(): { cancelled: Promise<void> } {
    const cancelled = stopConsuming()
    void resumeWhenHealthy(cancelled)
    return { cancelled }
  }

  async function resumeWhenHealthy(cancelled: Promise<void>): Promise<void> {
    await cancelled
    let delayMs = HEALTH_CHECK_MS.first
    do {
      await sleep(delayMs, undefined, { ref: false })
      delayMs = Math.min(2 * delayMs, HEALTH_CHECK_MS.longest)
    } while (!stopping && !(await isHealthy()))
    pause = null
    if (channel)
      await startConsuming(channel).catch((error) => options.onError(error, 'consuming not resumed'))
  }

  function isHealthy(): Promise<boolean> {
    return options.checkHealth().then(
      () => true,
      () => false,
    )
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
      await stopConsuming()
      await Promise.all(inHand)
    },
  }
}
