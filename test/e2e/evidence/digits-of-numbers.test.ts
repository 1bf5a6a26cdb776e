// Public report: ruby/json#219 (numbers in JSON lose digits).
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { amqpUrl, describeWithBroker } from '../../support/broker.ts'
import { withChannel } from '../../support/channel.ts'
import { createFleet, type Fleet, post } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

/** The payload and the path of what can't be kept by those who read JSON numbers as floating point. */
const LOSING = [
  ['18 decimals', '{"amount": 1234.567890123456789012}', 'payload.amount'],
  ['nearly an integer', '{"amount": 1.00000000000000000001}', 'payload.amount'],
  ['beyond 2^53 with a fraction', '{"amount": 9007199254740993.5}', 'payload.amount'],
  ['an integer with a point', '{"amount": 9007199254740993.0}', 'payload.amount'],
  ['an exponent with many digits', '{"amount": 1.2345678901234567890123e3}', 'payload.amount'],
  ['too small for anything but 0', '{"amount": 1e-400}', 'payload.amount'],
  ['within a list', '{"items": [{"price": 1}, {"price": 0.12345678901234567890}]}', 'payload.items[1].price'],
  ['the whole payload', '0.1000000000000000055511151231257827', 'payload'],
] as const

/** Every reader of them has the same number. */
const KEPT = [
  '{"amount": 0.1}',
  '{"amount": 1.50}',
  '{"amount": 1.5e3}',
  '{"amount": -12345.678}',
  '{"amount": 0}',
]

const registrationOf = (txHash: string, payload: string) =>
  `{"txHash": "${txHash}", "kind": "order", "payload": ${payload}}`

describeWithBroker('a payload with a number', () => {
  let fleet: Fleet
  let running: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet('rabbitmq')
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  /** Whether the row holds exactly the numbers of the text: PostgreSQL reads them as they are written. */
  async function isStoredAs(txHash: string, payload: string): Promise<boolean> {
    const { rows } = await fleet.db.raw<{ rows: { same: boolean }[] }>(
      'SELECT payload = CAST(? AS jsonb) AS same FROM confirmd.transaction_history WHERE tx_hash = ?',
      [payload, txHash],
    )
    return rows[0]?.same ?? false
  }

  it.each(LOSING)(
    'of %s is refused with its path, or kept to the last digit',
    async (_name, payload, path) => {
      const txHash = randomHash()
      const answer = await post(`${running.url}/v1/transactions`, registrationOf(txHash, payload))
      if (answer.status === 202) expect(await isStoredAs(txHash, payload)).toBe(true)
      else {
        const errors = [expect.objectContaining({ field: path })]
        expect(answer).toMatchObject({ status: 400, body: { errors } })
      }
    },
  )

  it('is refused in a batch as well, with its place in the batch', async () => {
    const hashes = LOSING.map(() => randomHash())
    const texts = LOSING.map(([, payload], index) => registrationOf(hashes[index] ?? '', payload))
    await post(`${running.url}/v1/transactions/batch`, `{"transactions": [${texts.join(', ')}]}`)
    for (const [index, [, payload]] of LOSING.entries()) {
      const txHash = hashes[index] ?? ''
      const isKept = (await fleet.row(txHash)) === undefined || (await isStoredAs(txHash, payload))
      expect({ payload, isKept }).toEqual({ payload, isKept: true })
    }
  })

  it('is set aside with a reason where a message brings it, or kept to the last digit', async () => {
    const hashes = LOSING.map(() => randomHash())
    await withChannel(amqpUrl(), async (channel) => {
      for (const [index, [, payload]] of LOSING.entries()) {
        const content = Buffer.from(registrationOf(hashes[index] ?? '', payload))
        channel.publish(`${fleet.prefix}.E.DIRECT`, fleet.prefix, content, { persistent: true })
      }
      // Each is recorded, or in the queue of what was set aside.
      await until('all messages are dealt with', async () => {
        const { messageCount } = await channel.checkQueue(`${fleet.prefix}.Q.PARKED`)
        const recorded = await fleet.db('confirmd.transaction_history').whereIn('tx_hash', hashes)
        return messageCount + recorded.length === hashes.length
      })
    })
    for (const [index, [, payload]] of LOSING.entries()) {
      const txHash = hashes[index] ?? ''
      const isKept = (await fleet.row(txHash)) === undefined || (await isStoredAs(txHash, payload))
      expect({ payload, isKept }).toEqual({ payload, isKept: true })
    }
  })

  it.each(KEPT)('that loses nothing is taken: %s', async (payload) => {
    const txHash = randomHash()
    const { status } = await post(`${running.url}/v1/transactions`, registrationOf(txHash, payload))
    expect(status).toBe(202)
    expect(await isStoredAs(txHash, payload)).toBe(true)
  })
})
