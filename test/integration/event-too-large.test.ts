import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  findRabbitmqServer,
  type PrivateRabbitmq,
  startPrivateRabbitmq,
} from '../../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { describeWithBroker } from '../support/broker.ts'
import { createWorld } from '../support/confirmd.ts'
import { listen } from '../support/events.ts'
import { insertOutcomes } from '../support/relays.ts'
import { until } from '../support/until.ts'

/** As RabbitMQ 4 has it; earlier ones take 128 MiB. */
const MAX_MESSAGE_BYTES = 16 * 1_024 * 1_024

describeWithBroker('an event that is larger than the broker takes', () => {
  let folder: TemporaryFolder
  let rabbitmq: PrivateRabbitmq

  beforeAll(async () => {
    folder = await createTemporaryFolder()
    rabbitmq = await startPrivateRabbitmq((await findRabbitmqServer()) ?? '', folder.path)
    await rabbitmq.control('eval', `application:set_env(rabbit, max_message_size, ${MAX_MESSAGE_BYTES}).`)
  })
  afterAll(async () => {
    await rabbitmq.stop()
    await folder.remove()
  })

  it('is announced without its payload, and holds up no other', async () => {
    const world = await createWorld('rabbitmq', { AMQP_URL: rabbitmq.url })
    const listener = await listen(world.prefix, '#', rabbitmq.url)
    try {
      await insertOutcomes(world.db, [{ statuses: ['confirmed'], kind: 'large' }])
      await world.db('confirmd.outbox').update({
        data: world.db.raw("data || jsonb_build_object('payload', repeat('x', ?))", [MAX_MESSAGE_BYTES + 1]),
      })
      await insertOutcomes(world.db, [{ statuses: ['confirmed'], kind: 'small' }])
      const worker = await world.start('worker')
      await until('both are announced', () => listener.heard.length === 2)
      const [large, small] = listener.heard.map(({ event }) => event)
      expect(large).toMatchObject({ payloadomitted: true, data: { kind: 'large', payload: null } })
      expect(small).toMatchObject({ data: { kind: 'small' } })
      expect(small).not.toHaveProperty('payloadomitted')
      const said = worker.log.filter(({ msg }) => msg.includes('too large for the exchange'))
      expect(said).toEqual([expect.objectContaining({ eventId: large?.id, sizeBytes: expect.any(Number) })])
    } finally {
      await listener.stop()
      await world.close()
    }
  })
})
