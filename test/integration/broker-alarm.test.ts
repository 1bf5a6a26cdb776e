import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { openRabbit } from '../../src/broker/rabbit.ts'
import {
  findRabbitmqServer,
  type PrivateRabbitmq,
  startPrivateRabbitmq,
} from '../../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import type { CheckQueue, Delivery } from '../../src/domain/check-queue.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const serverPath = await findRabbitmqServer()
const DELAY_MS = 200

describe.runIf(inject('amqpUrl') !== null && serverPath !== null)('a long memory alarm of the broker', () => {
  let folder: TemporaryFolder
  let rabbitmq: PrivateRabbitmq
  let queue: CheckQueue
  beforeEach(async () => {
    folder = await createTemporaryFolder()
    // One of its own: an alarm is the whole broker's.
    rabbitmq = await startPrivateRabbitmq(serverPath ?? '', folder.path)
    const opened = openRabbit({
      urls: [rabbitmq.url],
      prefix: 'TX',
      chain: 'kaia',
      retryDelaysMs: [DELAY_MS],
      prefetch: 10,
      checkHealth: async () => undefined,
      publishTimeoutMs: 300,
      log: { info: () => undefined, warn: () => undefined },
      onFatal: (error) => {
        throw error
      },
    })
    queue = opened.queue
  }, 60_000)
  afterEach(async () => {
    await queue.stopConsuming()
    await queue.close()
    await rabbitmq.stop()
    await folder.remove()
  })

  it('does not hand a check out again and again, which would count as its failure', async () => {
    const txHash = randomHash()
    const check = { id: randomUUID(), chain: 'kaia', txHash, retryCount: 0, dueAt: null, correlationId: null }
    await until('it is published', () =>
      queue.publish(check).then(
        () => true,
        () => false,
      ),
    )
    await rabbitmq.control('set_vm_memory_high_watermark', '0.00001')
    const isTaken = () =>
      queue.publish({ ...check, id: randomUUID() }).then(
        () => true,
        () => false,
      )
    await until('the broker takes nothing', async () => !(await isTaken()))
    const deliveries: Delivery[] = []
    await queue.consume(async (delivery) => {
      const { message } = delivery
      if (message.kind !== 'check' || message.check.id !== check.id) return { kind: 'ack' }
      deliveries.push(delivery)
      return deliveries.length > 1 ? { kind: 'ack' } : { kind: 'wait', delayMs: DELAY_MS, check }
    })
    // Each of these takes the time limit of a publish; what was requeued would be back after four.
    for (let count = 0; count < 12; count++) expect(await isTaken()).toBe(false)
    expect(deliveries).toHaveLength(1)
    await rabbitmq.control('set_vm_memory_high_watermark', '0.4')
    await until('it came back after its wait', () => deliveries.length > 1)
  })
})
