import { describe, inject } from 'vitest'
import { topologyOf } from '../../src/broker/topology.ts'
import type { RetryDelaysMs } from '../../src/domain/schedule.ts'
import { withChannel } from './channel.ts'

/** Where no RabbitMQ is to be had these are reported as not run; TEST_REQUIRE_RABBITMQ forbids that. */
export const describeWithBroker = describe.runIf(inject('amqpUrl') !== null)

/** The kinds of check queue to run a test on. */
export const QUEUE_KINDS = ['table', 'rabbitmq'] as const
export type QueueKind = (typeof QUEUE_KINDS)[number]

/** Runs the suite once on each check queue. */
export function describeOnEachQueue(title: string, suite: (kind: QueueKind) => void): void {
  for (const kind of QUEUE_KINDS) {
    const run = kind === 'table' ? describe : describeWithBroker
    run(`${title} (${kind})`, () => suite(kind))
  }
}

export function amqpUrl(): string {
  const url = inject('amqpUrl')
  if (url === null) throw new Error('this test needs RabbitMQ; put it under describeWithBroker')
  return url
}

let made = 0

/** A prefix that no other test uses. */
export function uniquePrefix(): string {
  made += 1
  return `T${process.pid}-${Date.now().toString(36)}-${made}`
}

/** Deletes everything that a prefix brought to the broker. */
export async function deleteTopology(url: string, prefix: string, delaysMs: RetryDelaysMs): Promise<void> {
  await withChannel(url, async (channel) => {
    const { queues, exchanges } = topologyOf(prefix, delaysMs)
    for (const { name } of queues) await channel.deleteQueue(name)
    for (const { name } of exchanges) await channel.deleteExchange(name)
  })
}
