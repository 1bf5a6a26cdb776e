import { describe, inject } from 'vitest'

/** Where Python with pika or RabbitMQ is missing these are not run; TEST_REQUIRE_PIKA and -_RABBITMQ forbid that. */
export const describeWithPika = describe.runIf(inject('amqpUrl') !== null && inject('pikaPython') !== null)

export function pikaPython(): string {
  const python = inject('pikaPython')
  if (python === null) throw new Error('this test needs a Python with pika; put it under describeWithPika')
  return python
}
