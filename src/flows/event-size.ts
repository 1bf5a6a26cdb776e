import type { CloudEvent } from '../domain/event.ts'
import type { EventExchange } from './announcement.ts'
import type { Log } from './ports.ts'

/**
 * Half of what RabbitMQ 4 takes by default (`max_message_size`, 16 MiB; 128 MiB before). A larger message is not refused:
 * the broker closes the channel, and the event would be published again and again, with no other ever after it.
 */
export const MAX_EVENT_BYTES = 8 * 1_024 * 1_024

/** An exchange that is given events as they are sent. */
export interface EncodedExchange extends Pick<EventExchange, 'isReady'> {
  /** Resolves when it has surely taken the event. @param content the event as JSON */
  publish(event: CloudEvent, routingKey: string, content: Buffer): Promise<void>
}

/** Encodes events; one that is larger than a broker takes is announced without the payload of its transaction. */
export function withBoundedEvents(exchange: EncodedExchange, log: Log): EventExchange {
  return {
    isReady: exchange.isReady,
    publish: (event, routingKey) => {
      const content = encode(event)
      const sizeBytes = content.byteLength
      if (sizeBytes <= MAX_EVENT_BYTES) return exchange.publish(event, routingKey, content)
      log.error(
        { eventId: event.id, subject: event.subject, sizeBytes, maxBytes: MAX_EVENT_BYTES },
        'event is too large for the exchange and is announced without its payload; GET /v1/transactions/:id has it',
      )
      const smaller = withoutPayload(event)
      return exchange.publish(smaller, routingKey, encode(smaller))
    },
  }
}

function encode(event: CloudEvent): Buffer {
  return Buffer.from(JSON.stringify(event))
}

function withoutPayload(event: CloudEvent): CloudEvent {
  return { ...event, payloadomitted: true, data: { ...event.data, payload: null } }
}
