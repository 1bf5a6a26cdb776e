import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Diagnosis } from '../../src/domain/diagnosis.ts'
import type { TransactionEventView } from '../../src/domain/transaction-event.ts'
import { amqpUrl, describeWithBroker } from '../support/broker.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const SENDER = `0x${'ab'.repeat(20)}`

async function diagnosisOf(url: string, id: string): Promise<Diagnosis> {
  const answer = await fetch(`${url}/v1/transactions/${id}/diagnosis`)
  expect(answer.status).toBe(200)
  return (await answer.json()) as Diagnosis
}

async function codesOf(url: string, id: string): Promise<string[]> {
  return (await diagnosisOf(url, id)).findings.map(({ code }) => code)
}

describe('why is it pending', () => {
  let world: World

  beforeEach(async () => {
    world = await createWorld('table', { RETRY_LIMIT: '1000' })
  })
  afterEach(async () => {
    await world.close()
  })

  it('the chain is asked: unseen, in the pool, behind a gap, used up, down, settled', async () => {
    const txHash = randomHash()
    const { url } = await world.start()
    const { body } = await register(url, { txHash })
    const { id } = body
    expect(await codesOf(url, id)).toContain('not-seen')
    world.node.pend(txHash, SENDER, 0)
    expect((await codesOf(url, id))[0]).toBe('in-pool')
    world.node.pend(txHash, SENDER, 2)
    const { findings } = await diagnosisOf(url, id)
    expect(findings.map(({ code }) => code).slice(0, 2)).toEqual(['nonce-gap', 'evicted-soon'])
    expect(findings[0]?.details['missingNonces']).toEqual({ first: 0, last: 1 })
    await until('a look saw it in the pool', async () => {
      return (
        (await world.db('confirmd.transaction_history').where({ id }).first('seen_nonce')).seen_nonce !== null
      )
    })
    world.node.fault = () => ({ kind: 'error', code: -32_000, message: 'out of order' })
    const [down] = (await diagnosisOf(url, id)).findings
    expect(down).toMatchObject({ code: 'nodes-unavailable', severity: 'problem' })
    expect(down?.text).toContain('out of order')
    world.node.fault = () => null
    world.node.drop(txHash)
    await until('it is said that it was dropped', async () => (await codesOf(url, id)).includes('evicted'))
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await codesOf(url, id)).toEqual(['settled'])
    const missing = await fetch(`${url}/v1/transactions/${randomUUID()}/diagnosis`)
    expect(missing.status).toBe(404)
  })

  it('an API without nodes says so, and that nobody works', async () => {
    const { url } = await world.start('api', { RPC_URLS: '' })
    const { body } = await register(url, { txHash: randomHash() })
    expect(await codesOf(url, body.id)).toEqual(expect.arrayContaining(['nobody-works', 'no-node-to-ask']))
  })
})

describeWithBroker('the events of a transaction', () => {
  it('say whether the exchange has them and what webhooks were sent', async () => {
    const world = await createWorld('rabbitmq', { AMQP_URL: amqpUrl() })
    try {
      const { url } = await world.start()
      const txHash = randomHash()
      world.node.include(txHash)
      const { body } = await register(url, { txHash })
      await untilStatus(world.db, txHash, 'confirmed')
      let events: TransactionEventView[] = []
      await until('it is announced', async () => {
        const answer = await fetch(`${url}/v1/transactions/${body.id}/events`)
        events = ((await answer.json()) as { events: TransactionEventView[] }).events
        return events[0]?.announced === true
      })
      expect(events).toMatchObject([{ status: 'confirmed', announced: true, deliveries: [] }])
      expect((await fetch(`${url}/v1/transactions/${randomUUID()}/events`)).status).toBe(404)
    } finally {
      await world.close()
    }
  })
})
