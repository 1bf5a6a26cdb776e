import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import { bulkhead } from 'cockatiel'
import type { CheckHandler, Disposition } from '../domain/check-queue.ts'
import { type Check, type CheckMessage, parseCheckMessages } from '../domain/message.ts'
import { readTraceParent } from '../domain/trace-parent.ts'
import { type Acks, createAcks } from './acks.ts'
import { correlationIdOf } from './correlation-id.ts'

/** Carries out the dispositions that need a message sent; each rejects if that is not sure. */
export interface DispositionSender {
  /** Sends the check to the wait tier of `delayMs`, in one message with others of the same moment. */
  wait(check: Check, delayMs: number): Promise<void>
  /** Sends what the message holds to the wait tier of `delayMs`. */
  waitAsItIs(message: ConsumeMessage, delayMs: number, headers: Headers): Promise<void>
  /** Sends the check to the wait tier of `delayMs`, in a message of its own. */
  apart(check: Check, delayMs: number, headers: Headers): Promise<void>
  park(message: ConsumeMessage, reason: string): Promise<void>
  /** The broker takes no messages for now: it has too little memory or disk. */
  isBlocked(): boolean
}

type Headers = Readonly<Record<string, number>>

export interface ConsumerOptions {
  readonly queue: string
  /** Most messages that are taken, and most checks that are handled at once. */
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
/** Marks a message that came back because its handling failed while everything else worked. */
const FAILURES_HEADER = 'x-confirmd-failures'

/** A check that is not begun: the worker stops, the database is away, or the broker has given it to another. */
class WithheldError extends Error {
  override readonly name = 'WithheldError'
}

interface Failure {
  readonly of: CheckMessage
  readonly reason: unknown
}

/** Hands messages to the handler and does with them what it says: the one place that acks. */
export function createConsumer(options: ConsumerOptions): Consumer {
  const inHand = new Set<Promise<void>>()
  const handling = bulkhead(options.prefetch, Number.MAX_SAFE_INTEGER)
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
    // Asked for while the broker was answering, when there was nothing to cancel yet.
    if (stopping || pause) await stopConsuming()
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
    const content = message.content.toString('utf8')
    const parsed = parseCheckMessages(
      content,
      options.chain,
      correlationIdOf(message),
      readTraceParent(message.properties.headers?.['traceparent']),
    )
    const isShared = parsed.length > 1 && parsed.every(({ kind }) => kind === 'check')
    const failures = await carryOut(from, message, parsed)
    if (failures.length === 0) {
      if (acks === from) from.ack(message)
      return
    }
    const failed = failures.filter(({ reason }) => !(reason instanceof WithheldError))
    for (const { reason } of failed) options.onError(reason, 'check not carried out; it comes back')
    if (failed.length < failures.length) await withhold(from, message)
    else if (await isHealthy()) await failAlone(from, message, failures, isShared)
    else await failWithAll(from, message)
  }

  /** Does for each check what becomes of it; resolves, once all are through, with those that failed. */
  async function carryOut(
    from: Acks,
    message: ConsumeMessage,
    parsed: readonly CheckMessage[],
  ): Promise<Failure[]> {
    // What came back as a new message, after its handling failed, was handed out before all the same.
    const redelivered = message.fields.redelivered || headersOf(message)[FAILURES_HEADER] !== undefined
    // Once, whatever of it is to be set aside: a person sees it as it came.
    let parked: Promise<void> | null = null
    const park = (reason: string) => {
      parked ??= options.sender.park(message, reason)
      return parked
    }
    return failuresOf(parsed, (each) =>
      handling.execute(async () => {
        if (stopping || pause || acks !== from) throw new WithheldError()
        const disposition = await options.handler({ message: each, redelivered })
        if (disposition.kind === 'wait') await wait(message, disposition)
        else if (disposition.kind === 'park') await park(disposition.reason)
      }),
    )
  }

  function wait(
    message: ConsumeMessage,
    { check, delayMs }: Extract<Disposition, { kind: 'wait' }>,
  ): Promise<void> {
    return check ? options.sender.wait(check, delayMs) : options.sender.waitAsItIs(message, delayMs, {})
  }

  /** What shared a message waits in one of its own; nothing but checks does. */
  async function waitApart(of: CheckMessage): Promise<void> {
    const headers = { [FAILURES_HEADER]: 1 }
    if (of.kind === 'check') await options.sender.apart(of.check, options.failureDelayMs, headers)
  }

  /** Back to the queue, for another worker or for later. */
  async function withhold(from: Acks, message: ConsumeMessage): Promise<void> {
    await pause?.cancelled
    if (acks === from) from.requeue(message)
  }

  /** Everything else works: what failed waits. What is of the row is counted there, and never comes to this. */
  async function failAlone(
    from: Acks,
    message: ConsumeMessage,
    failures: readonly Failure[],
    isShared: boolean,
  ): Promise<void> {
    let isTold = false
    while (acks === from) {
      try {
        // Those that did not fail are done with.
        if (isShared) await Promise.all(failures.map(({ of }) => waitApart(of)))
        else await options.sender.waitAsItIs(message, options.failureDelayMs, { [FAILURES_HEADER]: 1 })
        if (acks === from) from.ack(message)
        return
      } catch (error) {
        if (!isTold) options.onError(error, 'message kept at the broker: it could not be sent on')
        isTold = true
        // While the broker takes no messages it stays in hand: up to 4.2 each requeue counts against the delivery limit.
        if (stopping || !options.sender.isBlocked()) break
      }
    }
    if (!stopping) await sleep(REQUEUE_PAUSE_MS)
    if (acks === from) from.requeue(message)
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

function headersOf({ properties }: ConsumeMessage): Readonly<Record<string, unknown>> {
  return properties.headers ?? {}
}

async function failuresOf(
  parsed: readonly CheckMessage[],
  work: (of: CheckMessage) => Promise<void>,
): Promise<Failure[]> {
  const outcomes = await Promise.allSettled(parsed.map(work))
  return parsed.flatMap((of, index) => {
    const outcome = outcomes[index]
    return outcome?.status === 'rejected' ? [{ of, reason: outcome.reason }] : []
  })
}
