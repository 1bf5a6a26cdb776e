import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchTransport, type CallTransport } from '../../src/chain/batching-transport.ts'
import { guardTransport, type RpcCall } from '../../src/chain/guarded-transport.ts'
import { createRpcTransport } from '../../src/chain/rpc-transport.ts'
import {
  type ScriptedResponse,
  type ScriptedServer,
  startScriptedServer,
} from '../support/scripted-server.ts'
import { until } from '../support/until.ts'

interface Call {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

const CHAIN_ID = 8217
const TIMEOUT_MS = 300

describe('calls that are made together', () => {
  let server: ScriptedServer
  let transport: CallTransport
  let requests: (Call | Call[])[]
  let respond: (payload: Call | Call[]) => ScriptedResponse
  let chainProblems: (string | null)[]
  let finished: RpcCall[]

  const resultOf = ({ method, params }: Call) =>
    method === 'klay_chainID' ? `0x${CHAIN_ID.toString(16)}` : params[0]
  const right = (call: Call) => ({ jsonrpc: '2.0', id: call.id, result: resultOf(call) })
  const allRight = (payload: Call | Call[]) => ({
    body: Array.isArray(payload) ? payload.map(right) : right(payload),
  })
  const wrong = (call: Call, code: number, message: string) => ({
    jsonrpc: '2.0',
    id: call.id,
    error: { code, message },
  })
  const isAsked = (payload: Call | Call[], index: number) =>
    [payload].flat().some(({ method, params }) => method === 'echo' && params[0] === index)
  /** Calls in each request, the one for the chain id among them. */
  const sizes = () => requests.map((payload) => (Array.isArray(payload) ? payload.length : 1))

  beforeEach(async () => {
    requests = []
    chainProblems = []
    finished = []
    respond = allRight
    server = await startScriptedServer((body) => {
      const payload = JSON.parse(body) as Call | Call[]
      requests.push(payload)
      return respond(payload)
    })
    transport = open(8)
  })
  afterEach(async () => {
    await transport.close()
    await server.stop()
  })

  function open(maxCalls: number): CallTransport {
    const options = { name: 'node', url: server.url, timeoutMs: TIMEOUT_MS, maxAnswerBytes: 100_000 }
    const redact = (text: string) => text.replaceAll('secret', '[redacted]')
    const guarded = guardTransport(createRpcTransport({ ...options, redact }), {
      maxInFlight: 4,
      onCall: (call) => finished.push(call),
    })
    return batchTransport(guarded, {
      chainId: CHAIN_ID,
      maxCalls,
      maxInFlight: 4,
      redact,
      onChainChecked: (_node, problem) => chainProblems.push(problem),
      clock: () => new Date(),
    })
  }

  async function callAll(count: number): Promise<PromiseSettledResult<unknown>[]> {
    return Promise.allSettled(Array.from({ length: count }, (_, index) => transport.call('echo', [index])))
  }

  const results = (outcomes: PromiseSettledResult<unknown>[]) =>
    outcomes.map((each) => (each.status === 'fulfilled' ? each.value : null))
  const indexes = (count: number) => Array.from({ length: count }, (_, index) => index)
  const codes = (outcomes: PromiseSettledResult<unknown>[]) => [
    ...new Set(outcomes.map((each) => (each.status === 'rejected' ? each.reason.code : null))),
  ]

  it('are one request, and each has its own answer, in whatever order they come', async () => {
    respond = (payload) => ({ body: [payload].flat().map(right).reverse() })
    expect(results(await callAll(5))).toEqual(indexes(5))
    expect(sizes()).toEqual([6])
  })

  it('are as many requests as the limit needs, each with the question for the chain id', async () => {
    expect(results(await callAll(15))).toEqual(indexes(15))
    expect(sizes()).toEqual([8, 8, 2])
    for (const payload of requests) expect((payload as Call[])[0]?.method).toBe('klay_chainID')
  })

  it('fail alone if the node answers one of them with an error', async () => {
    respond = (payload) => ({
      body: [payload]
        .flat()
        .map((call) => (isAsked(call, 2) ? wrong(call, -32_000, 'header not found') : right(call))),
    })
    const outcomes = await callAll(4)
    expect(results(outcomes)).toEqual([0, 1, null, 3])
    expect(outcomes[2]).toMatchObject({ reason: { code: 'rpc-error', method: 'echo', status: -32_000 } })
  })

  it.each([
    [
      'a result and an error',
      'rpc-error',
      (call: Call) => ({ ...right(call), error: { code: 1, message: 'x' } }),
    ],
    ['neither a result nor an error', 'malformed', ({ id }: Call) => ({ jsonrpc: '2.0', id })],
    ['no version', 'malformed', ({ id }: Call) => ({ id, result: 2 })],
  ])('fail alone if the answer to one of them has %s', async (_title, code, broken) => {
    respond = (payload) => ({
      body: [payload].flat().map((call) => (isAsked(call, 2) ? broken(call) : right(call))),
    })
    const outcomes = await callAll(4)
    expect(results(outcomes)).toEqual([0, 1, null, 3])
    expect(outcomes[2]).toMatchObject({ reason: { code, method: 'echo' } })
  })

  it('fail alone if one of them is answered twice', async () => {
    respond = (payload) => ({
      body: [payload]
        .flat()
        .flatMap((call) => (isAsked(call, 2) ? [right(call), { ...right(call), result: 7 }] : [right(call)])),
    })
    const outcomes = await callAll(4)
    expect(results(outcomes)).toEqual([0, 1, null, 3])
    expect(codes(outcomes)).toEqual([null, 'malformed'])
  })

  it('fail with the text of the node, without secrets and cut', async () => {
    respond = (payload) => ({
      body: [payload]
        .flat()
        .map((call) =>
          isAsked(call, 0)
            ? wrong(call, -32_000, `${'x'.repeat(490)}secret\0${'y'.repeat(50_000)}`)
            : right(call),
        ),
    })
    const [outcome] = await callAll(1)
    const { detail } = (outcome as PromiseRejectedResult).reason as { detail: string }
    expect(detail).toHaveLength(500)
    expect(detail).toContain('x[redacted…')
  })

  describe('count only with the chain id that came with them', () => {
    it('all fail if the node is on another chain, which is said once; they count again when it is back', async () => {
      respond = (payload) => ({
        body: [payload]
          .flat()
          .map((call) =>
            call.method === 'klay_chainID' ? { ...right(call), result: '0x3e9' } : right(call),
          ),
      })
      expect(codes([...(await callAll(4)), ...(await callAll(1))])).toEqual(['wrong-chain'])
      expect(sizes()).toEqual([5, 2])
      respond = allRight
      expect(results(await callAll(2))).toEqual([0, 1])
      expect(chainProblems).toEqual(['it is on chain 1001, not 8217; check RPC_URLS and CHAIN_ID', null])
    })

    it('at a node without batches, if the chain was ours before and after them', async () => {
      transport = open(1)
      expect(results(await callAll(3))).toEqual([0, 1, 2])
      expect(requests.map((payload) => (payload as Call).method)).toEqual([
        'klay_chainID',
        'echo',
        'echo',
        'echo',
        'klay_chainID',
      ])
      let asked = 0
      respond = (payload) => {
        const call = payload as Call
        if (call.method !== 'klay_chainID') return allRight(payload)
        asked += 1
        return { body: { ...right(call), result: asked === 1 ? '0x2019' : '0x1' } }
      }
      expect(codes(await callAll(3))).toEqual(['wrong-chain'])
    })

    it('all fail if the node does not say its chain, however it does not', async () => {
      for (const broken of [
        (call: Call) => wrong(call, -32_601, 'no such method'),
        (call: Call) => ({ ...right(call), result: null }),
        (call: Call) => ({ ...right(call), result: 'kaia' }),
      ]) {
        await transport.close()
        transport = open(8)
        respond = (payload) => {
          const answers = [payload]
            .flat()
            .map((call) => (call.method === 'klay_chainID' ? broken(call) : right(call)))
          return { body: Array.isArray(payload) ? answers : answers[0] }
        }
        const outcomes = await callAll(4)
        expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
      }
    })
  })

  /** How a node refuses a batch of which it takes so many calls. */
  const refusals: Record<string, (batch: Call[], taken: number) => ScriptedResponse> = {
    'an error for the whole batch': () => ({
      body: { id: null, error: { code: -32_600, message: 'too large' } },
    }),
    'an error of any code': () => ({
      body: { jsonrpc: '2.0', id: null, error: { code: -32_005, message: 'no' } },
    }),
    'a list with one error that has no id': () => ({
      body: [{ jsonrpc: '2.0', id: null, error: { code: -32_000, message: 'batch limit 3 exceeded' } }],
    }),
    'an error for its first call alone, as geth does': (batch) => ({
      body: batch.slice(0, 1).map((call) => wrong(call, -32_600, 'batch too large')),
    }),
    'an error for each of its calls': (batch) => ({ body: batch.map((call) => wrong(call, -32_000, 'no')) }),
    'errors from the call on whose answer was too much': (batch, taken) => ({
      body: batch.map((call, index) =>
        index < taken ? right(call) : wrong(call, -32_003, 'response too large'),
      ),
    }),
    'no answer for some of its calls': (batch, taken) => ({ body: batch.slice(0, taken).map(right) }),
    'an empty list': () => ({ body: [] }),
    null: () => ({ body: null }),
    'HTTP status 400': () => ({ status: 400, body: 'no' }),
    'HTTP status 413': () => ({ status: 413, body: 'no' }),
    'HTTP status 500': () => ({ status: 500, body: 'no' }),
    'a dropped connection': () => 'disconnect',
    'no answer in time': () => 'hang',
    'an answer beyond our own limit': () => ({ body: 'x'.repeat(200_000) }),
  }
  for (const [what, refuse] of Object.entries(refusals)) {
    it.each([1, 3])(
      `are sent again in halves where a node takes only %i, and refuses more with ${what}; it is remembered`,
      async (taken) => {
        transport = open(12)
        respond = (payload) => {
          const isRefused = Array.isArray(payload) && payload.length > taken
          return isRefused ? refuse(payload, taken) : allRight(payload)
        }
        // Five time-outs in a row make the node rest for a while; everything else is answered at once.
        const isPatient = what === 'no answer in time'
        if (!isPatient) expect(results(await callAll(11))).toEqual(indexes(11))
        await until('only what it takes is sent', async () => {
          requests.length = 0
          const outcomes = await callAll(11)
          return results(outcomes).every((result) => result !== null) && Math.max(...sizes()) <= taken
        })
      },
    )
  }

  it('are sent in batches as large as a slow node answers in time', async () => {
    transport = open(64)
    respond = (payload) => ({ ...allRight(payload), delayMs: [payload].flat().length * 10 })
    for (let round = 0; round < 2; round++) {
      requests.length = 0
      expect(results(await callAll(63))).toEqual(indexes(63))
    }
    expect(Math.max(...sizes())).toBeLessThan(TIMEOUT_MS / 10)
  })

  it('go on without a call on which the node hangs, and the next time without waiting for it', async () => {
    transport = open(16)
    respond = (payload) => (isAsked(payload, 5) ? 'hang' : allRight(payload))
    const outcomes = await callAll(15)
    expect(results(outcomes)).toEqual(indexes(15).map((index) => (index === 5 ? null : index)))
    expect(codes(outcomes)).toEqual([null, 'timeout'])
    requests.length = 0
    const calls = indexes(15).map((index) => transport.call('echo', [index]))
    const others = calls.filter((_, index) => index !== 5)
    expect(await Promise.all(others)).toEqual(indexes(15).filter((index) => index !== 5))
    expect(Math.max(...sizes())).toBe(15)
    await expect(calls[5]).rejects.toMatchObject({ code: 'timeout' })
    expect(requests.filter((payload) => isAsked(payload, 5)).every((each) => [each].flat().length <= 2)).toBe(
      true,
    )
  })

  it('all fail, each under its own name, at a node that is down, which is asked a few times only', async () => {
    respond = () => ({ status: 500, body: 'no' })
    const outcomes = await callAll(7)
    expect(outcomes.every((each) => each.status === 'rejected' && each.reason.method === 'echo')).toBe(true)
    expect(codes(outcomes)).toEqual(['http-status'])
    expect(requests.length).toBeLessThan(8)
    respond = allRight
    requests.length = 0
    expect(results(await callAll(7))).toEqual(indexes(7))
    expect(sizes()).toEqual([8])
  })

  it.each([
    ['has nothing to connect to', 'unreachable', 0],
    ['asks to be left alone', 'rate-limited', 1],
  ])('are not sent in halves to a node that %s', async (_title, code, asked) => {
    respond = () => ({ status: 429, body: 'no' })
    if (code === 'unreachable') await server.stop()
    expect(codes(await callAll(7))).toEqual([code])
    expect(requests.length).toBe(asked)
    expect(finished.length).toBe(1)
  })

  it('that are refused together do not make the node rest', async () => {
    respond = (payload) => (Array.isArray(payload) ? { status: 500, body: 'no' } : allRight(payload))
    for (let round = 0; round < 3; round++) expect(results(await callAll(15))).toEqual(indexes(15))
    expect(finished.filter(({ error }) => error?.code === 'resting')).toEqual([])
  })

  it('end with an error each at a node that answers nothing of what it is asked', async () => {
    respond = () => ({ body: [] })
    const outcomes = await callAll(8)
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    expect(requests.length).toBeLessThan(30)
  })
})
