import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import type { CheckHandler, Disposition } from '../domain/check-queue.ts'
import { parseCheckMessage } from '../domain/message.ts'
import { type Acks, createAcks } from './acks.ts'
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
const CLOSE_TIMEOUT_MS = 2_000
const HEALTH_CHECK_MS = { first: 250, longest: 5_000 }
/** Counts how often the handling of a message failed while everything else worked. */
const FAILURES_HEADER = 'x-confirmd-failures'
const FAILURES_TO_PARK = 50

/** Hands messages to the handler and does with them what it says: the one place that acks. */
export function createConsumer(options: ConsumerOptions): Consumer {
  const inHand = new Set<Promise<void>>()
  let channel: Channel | null = null
  /** Of the channel; on one that is gone there is nothing to answer: its messages are delivered again. */
  let acks: Acks | null = null
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
      acks = null
      consumerTag = null
      if (!stopping) lost('the consuming channel was closed')
    })
    await opened.prefetch(options.prefetch)
    channel = opened
    acks = createAcks(opened, (error) =>
      options.onError(error, 'message not acknowledged; it is delivered again'),
    )
    lose = lost
    if (!pause) await startConsuming(opened)
    return opened
  }

  async function startConsuming(on: Channel): Promise<void> {
    if (stopping) return
    const { consumerTag: tag } = await on.consume(options.queue, (message) => {
      if (message) {
        take(message)
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

  function take(message: ConsumeMessage): void {
    if (!acks) return
    acks.delivered(message)
    const finished: Promise<void> = process(acks, message).finally(() => inHand.delete(finished))
    inHand.add(finished)
  }

  async function process(from: Acks, message: ConsumeMessage): Promise<void> {
    try {
      const disposition = await handle(message)
      await send(message, disposition)
      if (acks === from) from.ack(message)
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
  async function failAlone(from: Acks, message: ConsumeMessage, cause: unknown): Promise<void> {
    const failures = Number(message.properties.headers?.[FAILURES_HEADER] ?? 0) + 1
    try {
      if (failures >= FAILURES_TO_PARK) {
        await options.sender.park(message, `its handling failed ${failures} times: ${String(cause)}`)
      } else {
        const wait = { kind: 'wait', delayMs: options.failureDelayMs } as const
        await options.sender.wait(message, wait, { [FAILURES_HEADER]: failures })
      }
      if (acks === from) from.ack(message)
    } catch (error) {
      options.onError(error, 'message kept at the broker: it could not be sent on')
      if (!stopping) await sleep(REQUEUE_PAUSE_MS)
      if (acks === from) from.requeue(message)
    }
  }

  /** The database is away: nothing is taken until it is back, and what was taken stays at the broker. */
  async function failWithAll(from: Acks, message: ConsumeMessage): Promise<void> {
    pause ??= startPause()
    await pause.cancelled
    if (acks === from) from.requeue(message)
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

  return {
    attach,
    isConsuming: () => consumerTag !== null,
    stop: async () => {
      stopping = true
      await stopConsuming()
      await Promise.all(inHand)
      acks?.flush()
      // Only what was sent on a channel before its close is sure to arrive: the connection's own close may overtake.
      const closed = channel?.close().catch(() => undefined)
      await Promise.race([closed, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })])
    },
  }
}
