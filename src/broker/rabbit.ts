import type { Channel } from 'amqplib'
import { createBatch, fulfilled } from '../domain/batch.ts'
import type { CheckHandler, CheckQueue } from '../domain/check-queue.ts'
import type { CloudEvent } from '../domain/event.ts'
import { type Check, encodeChecks, MAX_CHECKS } from '../domain/message.ts'
import { delayCovering, longestDelayMs, type RetryDelaysMs } from '../domain/schedule.ts'
import { type BrokerConnection, type BrokerLog, openConnection } from './connection.ts'
import { type Consumer, createConsumer, type DispositionSender } from './consumer.ts'
import { correlationIdOf } from './correlation-id.ts'
import type { AmqpUrls } from './hosts.ts'
import { createPublisher, type OutgoingMessage } from './publisher.ts'
import { assertTopology, brokerNames, topologyOf } from './topology.ts'

export interface RabbitOptions {
  readonly urls: AmqpUrls
  readonly prefix: string
  readonly chain: string
  readonly retryDelaysMs: RetryDelaysMs
  readonly prefetch: number
  /** Rejects while checks can't be carried out, whatever they are: the database is away. */
  readonly checkHealth: () => Promise<void>
  /** Limit of one publish, from the call to the broker's confirm; 10 s if left out. */
  readonly publishTimeoutMs?: number
  readonly log: BrokerLog
  /** Called with an error that no reconnect cures; the process should end. */
  readonly onFatal: (error: Error) => void
}

const PUBLISH_TIMEOUT_MS = 10_000
const MAX_IN_FLIGHT = 10_000

type Route = Pick<OutgoingMessage, 'exchange' | 'routingKey'>

/** Header of a parked message that says why it is there. */
export const PARK_REASON_HEADER = 'x-confirmd-reason'

/** RabbitMQ as check queue and as the place where outcomes are announced. */
export interface Rabbit {
  readonly queue: CheckQueue
  readonly exchange: {
    /** Whether the broker is there and takes messages. */
    isReady(): boolean
    /** Resolves when the broker has confirmed it; whether anybody listens is not its matter. @param content its JSON */
    publish(event: CloudEvent, routingKey: string, content: Buffer): Promise<void>
  }
}

/** One connection to publish, one to consume. */
export function openRabbit(options: RabbitOptions): Rabbit {
  const { urls, log, onFatal } = options
  const names = brokerNames(options.prefix)
  const topology = topologyOf(options.prefix, options.retryDelaysMs)
  let consuming: { consumer: Consumer; connection: BrokerConnection } | null = null
  let inspection: Channel | null = null

  const publisher = createPublisher({
    timeoutMs: options.publishTimeoutMs ?? PUBLISH_TIMEOUT_MS,
    maxInFlight: MAX_IN_FLIGHT,
    isBlocked: () => publishing.isBlocked(),
  })
  const publishing = openConnection({
    urls,
    purpose: 'publish',
    log,
    onFatal,
    onUnblocked: publisher.flush,
    setup: async (model, lost) => {
      const declaring = await model.createChannel()
      declaring.on('error', () => undefined)
      declaring.on('close', () => {
        if (inspection !== declaring) return
        inspection = null
        // A queue that it asked for is gone, say: the set-up declares it again, and the sweep needs its answers.
        lost('the inspecting channel was closed')
      })
      await assertTopology(declaring, topology)
      inspection = declaring
      await publisher.attach(model, lost)
    },
  })

  const direct = { exchange: names.directExchange, routingKey: names.checkKey }

  function tierOf(delayMs: number): Route {
    const tierMs = delayCovering(options.retryDelaysMs, delayMs)
    return { exchange: names.waitingExchange, routingKey: names.waitKey(tierMs) }
  }

  function publishChecks(
    route: Route,
    checks: readonly [Check, ...Check[]],
    headers: Readonly<Record<string, number>> = {},
  ): Promise<void> {
    const [{ correlationId }] = checks
    return publisher.publish({ ...route, correlationId, headers, content: Buffer.from(encodeChecks(checks)) })
  }

  /** Checks that go to the same queue in the same moment share a message. */
  function publishTogether(route: Route): (check: Check) => Promise<void> {
    return createBatch({
      maxItems: MAX_CHECKS,
      maxRunning: MAX_IN_FLIGHT,
      run: async (checks) => {
        await publishChecks(route, checks as [Check, ...Check[]])
        return checks.map(() => fulfilled(undefined))
      },
    })
  }

  const publishWait = new Map(
    options.retryDelaysMs.map(tierOf).map((tier) => [tier.routingKey, publishTogether(tier)]),
  )

  const sender: DispositionSender = {
    wait: (check, delayMs) => {
      const tier = tierOf(delayMs)
      const publish = publishWait.get(tier.routingKey)
      return publish ? publish(check) : publishChecks(tier, [check])
    },
    waitAsItIs: (message, delayMs, headers) =>
      publisher.publish({
        ...tierOf(delayMs),
        content: message.content,
        correlationId: correlationIdOf(message),
        headers,
      }),
    apart: (check, delayMs, headers) => publishChecks(tierOf(delayMs), [check], headers),
    park: (message, reason) =>
      publisher.publish({
        exchange: names.deadExchange,
        routingKey: names.poisonKey,
        content: message.content,
        correlationId: correlationIdOf(message),
        headers: { [PARK_REASON_HEADER]: reason.slice(0, 1_000) },
      }),
    isBlocked: () => publishing.isBlocked(),
  }

  async function consume(handler: CheckHandler): Promise<void> {
    const consumer = createConsumer({
      queue: names.checkQueue,
      prefetch: options.prefetch,
      chain: options.chain,
      handler,
      sender,
      checkHealth: options.checkHealth,
      failureDelayMs: longestDelayMs(options.retryDelaysMs),
      onError: (error, context) => log.warn({ err: error }, context),
    })
    const connection = openConnection({
      urls,
      purpose: 'consume',
      log,
      onFatal,
      setup: async (model, lost) => {
        const declaring = await model.createChannel()
        declaring.on('error', () => undefined)
        await assertTopology(declaring, topology)
        await declaring.close()
        await consumer.attach(model, lost)
      },
    })
    consuming = { consumer, connection }
  }

  async function depths(): Promise<Record<string, number>> {
    const channel = inspection
    if (!channel) return {}
    const found: Record<string, number> = {}
    for (const { name } of topology.queues) {
      found[name] = (await channel.checkQueue(name)).messageCount
    }
    return found
  }

  function publishEvent(event: CloudEvent, routingKey: string, content: Buffer): Promise<void> {
    return publisher.publish({
      exchange: names.eventsExchange,
      routingKey,
      content,
      correlationId: null,
      ...(event.traceparent === undefined ? {} : { headers: { traceparent: event.traceparent } }),
      properties: {
        mandatory: false,
        contentType: 'application/cloudevents+json',
        messageId: event.id,
        type: event.type,
        timestamp: Math.floor(Date.parse(event.time) / 1_000),
      },
    })
  }

  const queue: CheckQueue = {
    publish: publishTogether(direct),
    consume,
    stopConsuming: async () => {
      await consuming?.consumer.stop()
    },
    isConsuming: () => consuming?.consumer.isConsuming() ?? false,
    depths,
    backlog: async () => {
      const channel = inspection
      if (!channel) return null
      return (await channel.checkQueue(names.checkQueue)).messageCount * MAX_CHECKS
    },
    close: async () => {
      await consuming?.connection.close()
      await publishing.close()
    },
  }

  return {
    queue,
    exchange: {
      isReady: () => publishing.isConnected() && !publishing.isBlocked(),
      publish: publishEvent,
    },
  }
}
