import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { brokerNames } from '../../src/broker/topology.ts'
import { aLook } from '../../src/dev/sample-look.ts'
import { ANNOUNCED_STATUSES } from '../../src/domain/event.ts'
import { toRegistration } from '../../src/domain/registration.ts'
import { createStore } from '../../src/store/store.ts'
import { disableWebhook } from '../../src/store/webhooks.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { createWorld, untilStatus, type World } from '../support/confirmd.ts'
import { type Listener, listen } from '../support/events.ts'
import { departures, documentedExamples } from '../support/messages-document.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const SENDER = '0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B'

describeWithBroker('what docs/messages.md says of messages', () => {
  let world: World
  let listener: Listener

  beforeEach(async () => {
    world = await createWorld('rabbitmq', {
      RETRY_LIMIT: '0',
      STALLED_CHECK_INTERVAL_MS: '200',
      EXPIRE_AFTER_MS: '300',
      SWEEP_INTERVAL_MS: '100',
    })
    listener = await listen(world.prefix)
  })
  afterEach(async () => {
    await listener.stop()
    await world.close()
  })

  /** As another service does: whether it fits is for the document to say, and for confirmd to show. */
  async function publish(messages: readonly object[]): Promise<void> {
    const { directExchange, checkKey, checkQueue } = brokerNames(world.prefix)
    await withChannel(amqpUrl(), async (channel) => {
      for (const message of messages) {
        channel.publish(directExchange, checkKey, Buffer.from(JSON.stringify(message)))
      }
      await channel.checkQueue(checkQueue)
    })
  }

  it('messages that fit its schema are taken, and events of every outcome fit its schema', async () => {
    const store = createStore(world.db, { chain: 'kaia' })
    const replaced = randomHash()
    const { transaction } = await store.record(toRegistration({ txHash: replaced }, 'kaia', null, null))
    await store.settleReplaced(transaction.id, {
      evidence: [],
      expectedLooks: 0,
      replacedBy: null,
      reason: null,
      nextCheckInMs: 60_000,
      look: aLook('replaced'),
    })
    const hook = { id: randomUUID(), url: 'https://shop.example/hook', description: '', secret: 'whsec_MA==' }
    await store.createWebhook({ ...hook, kinds: null, statuses: null }, 1)
    await world.db.transaction((trx) =>
      disableWebhook(trx, hook.id, { reason: 'its requests failed for 5 days', failingSince: null }),
    )

    const [good, bad, absent] = [randomHash(), randomHash(), randomHash()]
    world.node.include(good)
    world.node.include(bad, { succeeded: false, txError: '0x9' })
    const messages = [
      { ...(documentedExamples.registration as object), txHash: good, chain: 'kaia', from: SENDER, nonce: 7 },
      { txHash: bad, kind: 'order', payload: [null, 'é', 1.5], note: 'ignored' },
      { txHash: absent },
    ]
    for (const message of messages) expect(departures('registration', message)).toEqual([])
    await world.start('worker')
    await publish(messages)

    await untilStatus(world.db, good, 'confirmed')
    await untilStatus(world.db, bad, 'failed')
    await untilStatus(world.db, absent, 'expired')
    const heard = await until('everything is announced', () => {
      const ids = new Set(listener.heard.map(({ event }) => event.id))
      return ids.size === ANNOUNCED_STATUSES.length + 1 && listener.heard
    })
    for (const { event, routingKey, contentType, messageId } of heard) {
      expect(departures('event', event)).toEqual([])
      expect(contentType).toBe('application/cloudevents+json')
      expect(messageId).toBe(event.id)
      expect(event.type.startsWith(`confirmd.${routingKey.split('.').slice(0, 2).join('.')}.`)).toBe(true)
    }
    expect(new Map(heard.map(({ event, routingKey }) => [routingKey, event.subject]))).toEqual(
      new Map([
        ['transaction.replaced.default', replaced],
        ['webhook.disabled', hook.id],
        ['transaction.confirmed.order.mint', good],
        ['transaction.failed.order', bad],
        ['transaction.stalled.default', absent],
        ['transaction.expired.default', absent],
      ]),
    )
  })

  it.each([
    ['without a hash', { kind: 'order' }],
    ['with a hash of another length', { txHash: '0x1' }],
    ['with a kind that can not be', { txHash: randomHash(), kind: 'no spaces' }],
    ['with a nonce that is text', { txHash: randomHash(), nonce: '7' }],
  ])('a message %s does not fit its schema, and is set aside as it says', async (_title, message) => {
    expect(departures('registration', message)).not.toEqual([])
    await world.start('worker')
    await publish([message])
    const { parkedQueue } = brokerNames(world.prefix)
    const parked = await withChannel(amqpUrl(), (channel) =>
      until('it is parked', () => channel.get(parkedQueue, { noAck: true })),
    )
    expect(parked.content.toString()).toBe(JSON.stringify(message))
    expect(parked.properties.headers?.['x-confirmd-reason']).toEqual(expect.any(String))
    expect(await world.db('confirmd.transaction_history')).toEqual([])
  })
})
