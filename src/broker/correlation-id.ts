import type { ConsumeMessage } from 'amqplib'

const MAX_CORRELATION_ID_LENGTH = 128

/** As it was sent, to send it on; null if there is none. */
export function correlationIdOf({ properties }: ConsumeMessage): string | null {
  const given: unknown = properties.correlationId
  return typeof given === 'string' ? given : null
}

/** As it can be stored: anybody may publish, and PostgreSQL stores no NUL. */
export function storableCorrelationIdOf(message: ConsumeMessage): string | null {
  return correlationIdOf(message)?.replaceAll('\u0000', '').slice(0, MAX_CORRELATION_ID_LENGTH) ?? null
}
