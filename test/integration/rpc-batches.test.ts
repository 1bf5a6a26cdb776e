import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchTransport, type CallTransport } from '../../src/chain/batching-transport.ts'
import { createRpcTransport } from '../../src/chain/rpc-transport.ts'
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts'

interface Call {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

describe('calls that are made together', () => {
  let server: ScriptedServer
  let transport: CallTransport
  let requests: (Call | Call[])[]
  let respond: (payload: Call | Call[]) => { status?: number; body: unknown }

  const right = (call: Call) => ({ jsonrpc: '2.0', id: call.id, result: call.params[0] })
  const sizes = () => requests.map((payload) => (Array.isArray(payload) ? payload.length : 1))

  beforeEach(async () => {
    requests = []
    respond = (payload) => ({ body: Array.isArray(payload) ? payload.map(right) : right(payload) })
    server = await startScriptedServer((body) => {
      const payload = JSON.parse(body) as Call | Call[]
      requests.push(payload)
      return respond(payload)
    })
    transport = batchTransport(
      createRpcTransport({ url: server.url, timeoutMs: 2_000, maxAnswerBytes: 100_000 }),
      { maxCalls: 8, maxInFlight: 4 },
    )
  })
  afterEach(async () => {
    await transport.close()
    await server.stop()
  })

  async function callAll(count: number): Promise<PromiseSettledResult<unknown>[]> {
    const calls = Array.from({ length: count }, (_, index) => {
      // caver-js counts its ids by itself; that two of them are alike must not mix up the answers.
      return transport.send({ jsonrpc: '2.0', id: 7, method: 'echo', params: [index] })
    })
    return Promise.allSettled(calls)
  }

  const results = (outcomes: PromiseSettledResult<unknown>[]) =>
    outcomes.map((each) => (each.status === 'fulfilled' ? (each.value as { result: unknown }).result : null))
  const indexes = (count: number) => Array.from({ length: count }, (_, index) => index)

  it('are one request, and each has its own answer, in whatever order they come', async () => {
    respond = (payload) => ({ body: [payload].flat().map(right).reverse() })
    const outcomes = await callAll(5)
    expect(results(outcomes)).toEqual(indexes(5))
    expect(outcomes.every((each) => each.status === 'fulfilled' && (each.value as Call).id === 7)).toBe(true)
    expect(sizes()).toEqual([5])
  })

  it('are as many requests as the limit needs, and one alone is no batch', async () => {
    expect(results(await callAll(17))).toEqual(indexes(17))
    expect(sizes()).toEqual([8, 8, 1])
    expect(Array.isArray(requests[2])).toBe(false)
  })

  it('fail alone if the node answers one of them with an error', async () => {
    respond = (payload) => ({
      body: [payload].flat().map((call) => {
        if (call.params[0] !== 2) return right(call)
        return { jsonrpc: '2.0', id: call.id, error: { code: -32_000, message: 'header not found' } }
      }),
    })
    const outcomes = await callAll(4)
    expect(results(outcomes)).toEqual([0, 1, null, 3])
    expect(outcomes[2]).toMatchObject({ reason: { code: 'rpc-error', method: 'echo', status: -32_000 } })
  })

  for (const [what, refuse] of Object.entries({
    'an error for the whole batch': () => ({
      body: { id: null, error: { code: -32_600, message: 'too large' } },
    }),
    'an error for its first call alone, as geth does': (batch: Call[]) => ({
      body: [{ jsonrpc: '2.0', id: batch[0]?.id, error: { code: -32_600, message: 'batch too large' } }],
    }),
    'HTTP status 413': () => ({ status: 413, body: 'no' }),
    'an answer beyond our own limit': () => ({ body: 'x'.repeat(200_000) }),
    'errors from the call on whose answer was too much': (batch: Call[]) => ({
      body: batch.map((call, index) => {
        if (index < 3) return right(call)
        return { jsonrpc: '2.0', id: call.id, error: { code: -32_003, message: 'response too large' } }
      }),
    }),
    'no answer for some of its calls': (batch: Call[]) => ({ body: batch.slice(0, 3).map(right) }),
  })) {
    it(`are sent again in smaller batches where a node refuses one with ${what}, and stay small`, async () => {
      respond = (payload) => {
        if (Array.isArray(payload) && payload.length > 3) return refuse(payload)
        return { body: Array.isArray(payload) ? payload.map(right) : right(payload) }
      }
      expect(results(await callAll(8))).toEqual(indexes(8))
      requests.length = 0
      expect(results(await callAll(8))).toEqual(indexes(8))
      expect(Math.max(...sizes())).toBeLessThanOrEqual(4)
    })
  }

  it('all fail, each under its own name, if the request does; the node is not asked more for it', async () => {
    respond = () => ({ status: 500, body: 'no' })
    const outcomes = await callAll(6)
    expect(outcomes.every((each) => each.status === 'rejected' && each.reason.method === 'echo')).toBe(true)
    expect(sizes()).toEqual([6])
  })

  it('end with an error each at a node that answers nothing of what it is asked', async () => {
    respond = () => ({ body: [] })
    const outcomes = await callAll(8)
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    expect(requests.length).toBeLessThan(30)
  })
})
