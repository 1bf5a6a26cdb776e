import type { CloudEvent } from '../domain/event.ts'
import type { EventExchange } from './announcement.ts'
import type { Log } from './ports.ts'

/**
 * Half of what RabbitMQ 4 takes by default (`max_message_size`, 16 MiB; 128 MiB before). A larger message is not refused:
 * the broker closes the channel, and the event would be published again and again, with no other ever after it.
 */
export const MAX_EVENT_BYTES = 8 * 1_024 * 1_024

/** The same exchange; an event that is larger than a broker takes is announced without the payload of its transaction. */
export function withBoundedEvents(exchange: EventExchange, log: Log): EventExchange {
  return {
    ...exchange,
    publish: (event, routingKey) => {
      const sizeBytes = Buffer.byteLength(JSON.stringify(event))
      if (sizeBytes <= MAX_EVENT_BYTES) return exchange.publish(event, routingKey)
      log.error(
        { eventId: event.id, subject: event.subject, sizeBytes, maxBytes: MAX_EVENT_BYTES },
        'event is too large for the exchange and is announced without its payload; GET /v1/transactions/:id has it',
      )
      return exchange.publish(withoutPayload(event), routingKey)
    },
  }
}

function withoutPayload(event: CloudEvent): CloudEvent {
  return { ...event, payloadomitted: true, data: { ...event.data, payload: null } }
}
