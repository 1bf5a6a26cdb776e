import { isDeepStrictEqual } from 'node:util'
import type { Channel } from 'amqplib'
import { connect } from 'amqplib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type BrokerNames, brokerNames } from '../../src/broker/topology.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { generate, generatedRuns } from '../support/fuzz.ts'
import { type GeneratedMessage, generatedMessages } from '../support/generated-messages.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const MESSAGES = 10_000
const KNOWN_ROWS = 20
/** The longest is long enough that messages of other versions, which come back and back, cost little. */
const DELAYS_MS = [100, 3_000]

/** What the body of a message says, as any reader of JSON would have it; null if it can't be read. */
function fieldsOf(content: Buffer): Record<string, unknown> | null {
  try {
    const body: unknown = JSON.parse(content.toString('utf8'))
    return typeof body === 'object' && body !== null && !Array.isArray(body)
      ? (body as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

function isOfAnotherVersion(content: Buffer): boolean {
  const version = fieldsOf(content)?.['v'] ?? 1
  return version !== 1
}

describeWithBroker('generated messages', () => {
  let world: World
  let names: BrokerNames

  beforeEach(async () => {
    world = await createWorld('rabbitmq', { RETRY_LIMIT: '1', RETRY_DELAYS_MS: DELAYS_MS.join(',') })
    names = brokerNames(world.prefix)
  })
  afterEach(() => world.close())

  async function publishAll(messages: readonly GeneratedMessage[]): Promise<void> {
    const connection = await connect(amqpUrl())
    try {
      const channel = await connection.createConfirmChannel()
      for (const { content, properties } of messages) {
        channel.publish(names.directExchange, names.checkKey, content, properties)
      }
      await channel.waitForConfirms()
    } finally {
      await connection.close()
    }
  }

  function depthOf(queues: readonly string[]): Promise<number> {
    return withChannel(amqpUrl(), async (channel) => {
      let depth = 0
      for (const queue of queues) depth += (await channel.checkQueue(queue)).messageCount
      return depth
    })
  }

  async function takeAll(channel: Channel, queue: string) {
    const taken: { content: Buffer; reason: unknown }[] = []
    for (;;) {
      const message = await channel.get(queue, { noAck: true })
      if (!message) return taken
      taken.push({
        content: message.content,
        reason: message.properties.headers?.['x-confirmd-reason'],
      })
    }
  }

  it('10,000 of all kinds: each is settled or recorded, parked with a reason, or left to a newer version', async () => {
    const runs = generatedRuns(MESSAGES)
    const seed = `seed ${runs.seed}`
    const api = await world.start('api')
    const worker = await world.start('worker')
    const known: string[] = []
    for (let count = 0; count < KNOWN_ROWS; count++) {
      const txHash = randomHash()
      if (count % 2 === 0) world.node.include(txHash)
      known.push((await register(api.url, { txHash })).body.id)
    }
    const messages = generate(generatedMessages(known), runs)
    await publishAll(messages)

    const left = messages.filter(({ content }) => isOfAnotherVersion(content)).length
    const waitQueues = DELAYS_MS.map(names.waitQueue)
    await until(
      `nothing is under way but ${left} messages of other versions, ${seed}`,
      async () => {
        const { rows } = await world.db.raw<{ rows: { count: string }[] }>(
          `SELECT count(*) FROM confirmd.transaction_history WHERE status = 'pending'`,
        )
        if (rows[0]?.count !== '0') return false
        const inQueues = await depthOf([names.checkQueue, ...waitQueues])
        return inQueues <= left && (await depthOf([names.parkedQueue])) > 0
      },
      120_000,
    )

    // It goes on: what comes now is recorded and settled.
    expect(worker.fatal).toEqual([])
    expect((await fetch(`${worker.url}/readyz`)).status).toBe(200)
    const txHash = randomHash()
    world.node.include(txHash)
    await publishAll([{ content: Buffer.from(JSON.stringify({ txHash })), properties: {} }])
    await untilStatus(world.db, txHash, 'confirmed')
    await world.stopAll()

    await until('what waits is back', async () => (await depthOf(waitQueues)) === 0)
    const waiting = await withChannel(amqpUrl(), (channel) => takeAll(channel, names.checkQueue))
    const parked = await withChannel(amqpUrl(), (channel) => takeAll(channel, names.parkedQueue))

    const asText = (all: readonly { content: Buffer }[]) =>
      all.map(({ content }) => content.toString('latin1')).sort()
    const ofOtherVersions = messages.filter(({ content }) => isOfAnotherVersion(content))
    expect(asText(waiting), seed).toEqual(asText(ofOtherVersions))
    expect(
      parked.filter(({ reason }) => typeof reason !== 'string' || reason === ''),
      seed,
    ).toEqual([])

    const rows = await world.db('confirmd.transaction_history')
    const ids = new Set(rows.map(({ id }) => String(id)))
    const byHash = new Map(rows.map((row) => [String(row.tx_hash), row as Record<string, unknown>]))

    /** Whether the database has what the message asks for: the row it speaks of, or one with its content. */
    function isCarriedOut(content: Buffer): boolean {
      const fields = fieldsOf(content)
      if (!fields || isOfAnotherVersion(content)) return false
      const { id, txHash: hash, kind, payload, from, nonce } = fields
      if (id !== undefined) return typeof id === 'string' && ids.has(id.toLowerCase())
      const row = typeof hash === 'string' ? byHash.get(hash.toLowerCase()) : undefined
      if (!row) return false
      return isDeepStrictEqual(
        [row['kind'], row['payload'], row['sender'], row['nonce']],
        [
          kind ?? 'default',
          JSON.parse(JSON.stringify(payload ?? null)),
          from === undefined ? null : String(from).toLowerCase(),
          nonce === undefined ? null : String(nonce),
        ],
      )
    }

    // What is not in a queue is carried out, message by message.
    const setAside = new Map<string, number>()
    for (const text of asText([...parked, ...waiting])) setAside.set(text, (setAside.get(text) ?? 0) + 1)
    const missing = messages.filter(({ content }) => {
      const text = content.toString('latin1')
      const count = setAside.get(text) ?? 0
      setAside.set(text, count - 1)
      return count <= 0 && !isCarriedOut(content)
    })
    expect(missing.slice(0, 3), `${missing.length} messages, ${seed}`).toEqual([])
    expect(
      [...setAside].filter(([, count]) => count > 0),
      `more than was published, ${seed}`,
    ).toEqual([])

    // A registration without fault is not parked.
    const wronged = parked.filter(
      ({ content }) => fieldsOf(content)?.['id'] === undefined && isCarriedOut(content),
    )
    expect(wronged, seed).toEqual([])

    // The generator reaches what it is for.
    expect(rows.length).toBeGreaterThan(messages.length / 20)
    expect(parked.length).toBeGreaterThan(messages.length / 20)
    expect(waiting.length).toBeGreaterThan(messages.length / 200)
  }, 240_000)
})
