import type { Message } from 'amqplib'

/** As it was sent, to send it on; null if there is none. */
export function correlationIdOf({ properties }: Pick<Message, 'properties'>): string | null {
  const given: unknown = properties.correlationId
  return typeof given === 'string' ? given : null
}
