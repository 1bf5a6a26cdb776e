import { connect } from 'amqplib'
import { expect, it } from 'vitest'
import { createPublisher } from '../../src/broker/publisher.ts'
import { amqpUrl, describeWithBroker, uniquePrefix } from '../support/broker.ts'
import { until } from '../support/until.ts'

describeWithBroker('messages that the broker refuses', () => {
  it('are tried on a new connection after a while, not after the first of them', async () => {
    const queue = uniquePrefix()
    const model = await connect(amqpUrl())
    const declaring = await model.createChannel()
    const losses: string[] = []
    const publisher = createPublisher({ timeoutMs: 5_000, maxInFlight: 10, isBlocked: () => false })
    const publish = () =>
      publisher
        .publish({ exchange: '', routingKey: queue, content: Buffer.from('x'), correlationId: null })
        .then(
          () => 'taken',
          (error: Error) => error.message,
        )
    try {
      await declaring.assertQueue(queue, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } })
      await publisher.attach(model, (reason) => losses.push(reason))
      expect(await publish()).toBe('taken')
      expect(await publish()).toBe('the broker refused the message')
      expect(losses).toEqual([])
      await until('the connection is left', async () => {
        await publish()
        return losses.length > 0
      })
      expect(losses).toEqual([expect.stringContaining(`with key ${queue} have been refused for`)])

      await publisher.attach(model, (reason) => losses.push(reason))
      await declaring.purgeQueue(queue)
      expect(await publish()).toBe('taken')
    } finally {
      await declaring.deleteQueue(queue)
      await model.close()
    }
  })
})
