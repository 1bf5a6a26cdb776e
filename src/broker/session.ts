import { type ChannelModel, connect } from 'amqplib'
import { type Check, encodeChecks } from '../domain/message.ts'
import { type AmqpUrls, hostOf } from './hosts.ts'
import { createPublisher, PublishError } from './publisher.ts'
import { brokerNames } from './topology.ts'

/** A connection for one command: made once, never again, and closed at its end. It declares nothing. */
export interface BrokerSession {
  readonly model: ChannelModel
  /** Resolves when the broker has stored the check in the check queue; rejects with PublishError otherwise. */
  publishCheck(check: Check): Promise<void>
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 10_000
const PUBLISH_TIMEOUT_MS = 10_000
const MAX_IN_FLIGHT = 1_000

export async function openSession(urls: AmqpUrls, prefix: string, purpose: string): Promise<BrokerSession> {
  const model = await connectToFirst(urls, purpose)
  let isBlocked = false
  let lost: string | null = null
  model.on('error', () => undefined)
  model.on('close', () => {
    lost ??= 'the connection to the broker was lost'
  })
  model.on('blocked', () => {
    isBlocked = true
  })
  model.on('unblocked', () => {
    isBlocked = false
    publisher.flush()
  })
  const publisher = createPublisher({
    timeoutMs: PUBLISH_TIMEOUT_MS,
    maxInFlight: MAX_IN_FLIGHT,
    isBlocked: () => isBlocked,
  })
  const channel = await publisher.attach(model, () => undefined)
  channel.on('close', () => {
    lost ??= 'the channel to the broker was lost'
  })

  const { directExchange, checkKey } = brokerNames(prefix)
  return {
    model,
    publishCheck: async (check) => {
      // It would be held back until its time is over: nothing connects anew here.
      if (lost !== null) throw new PublishError(lost)
      await publisher.publish({
        exchange: directExchange,
        routingKey: checkKey,
        content: Buffer.from(encodeChecks([check])),
        correlationId: check.correlationId,
      })
    },
    close: () => model.close().catch(() => undefined),
  }
}

/** Tries each host once, in the order of the list; rejects with what each of them failed of. */
async function connectToFirst(urls: AmqpUrls, purpose: string): Promise<ChannelModel> {
  const failures: Error[] = []
  for (const url of urls) {
    try {
      return await connect(url, {
        timeout: CONNECT_TIMEOUT_MS,
        clientProperties: { connection_name: `confirmd ${purpose}` },
      })
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      failures.push(new Error(`${hostOf(url)}: ${message || code}`, { cause: error }))
    }
  }
  throw new AggregateError(failures, 'no host of the broker can be used')
}
