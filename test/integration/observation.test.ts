import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Chain, openChain } from '../../src/chain/chain.ts'
import type { RpcCall } from '../../src/chain/guarded-transport.ts'
import { unboundChain } from '../../src/chain-binding.ts'
import type { Query } from '../../src/domain/finality.ts'
import { createWorld, register, untilRow, untilStatus } from '../support/confirmd.ts'
import { recordedFields } from '../support/kaia-answers.ts'
import { countOrders, createOrderTables, eventsOf, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const SENDER = `0x${'ab'.repeat(20)}`
const HEADER = recordedFields('block', 'klay_getBlockByNumber')
const KNOWN = { sender: SENDER, nonce: 4 }

describe('what counts as an observation', () => {
  let nodes: ScriptedNode[]
  let opened: Chain[]
  let calls: RpcCall[]
  let chainProblems: (string | null)[]

  beforeEach(async () => {
    nodes = [await startScriptedNode(), await startScriptedNode(), await startScriptedNode()]
    opened = []
    calls = []
    chainProblems = []
  })
  afterEach(async () => {
    for (const chain of opened) await chain.close()
    for (const node of nodes) await node.stop()
  })

  function open(count: number, changes = {}): Chain {
    const chain = openChain({
      endpoints: nodes.slice(0, count).map(({ url }, index) => ({ url, label: `node-${index}` })),
      webSocketUrls: [],
      chain: 'kaia',
      binding: unboundChain(),
      chainId: 8217,
      timeoutMs: 300,
      maxInFlight: 4,
      maxBatchCalls: 100,
      recentHeadMs: 0,
      maxLagBlocks: 5,
      maxHeadAgeMs: 30_000,
      finalityDepthBlocks: 0,
      witnesses: Math.min(2, count),
      redact: (text: string) => text,
      onCall: (call) => calls.push(call),
      onWrongChain: () => undefined,
      onChainChecked: (_node, problem) => chainProblems.push(problem),
      onAnnouncing: () => undefined,
      ...changes,
    })
    opened.push(chain)
    return chain
  }

  function node(index: number): ScriptedNode {
    const found = nodes[index]
    if (!found) throw new Error(`there is no node ${index}`)
    return found
  }

  const query = (txHash: string, changes: Partial<Query> = {}): Query => ({
    txHash,
    known: null,
    thorough: false,
    ...changes,
  })

  it('head and receipt are of one node, the first that answers', async () => {
    const txHash = randomHash()
    node(1).mine(50)
    node(0).include(txHash)
    const observation = await open(2).observe(query(txHash))
    expect(observation).toMatchObject({ kind: 'receipt', headNumber: 101, receipt: { blockNumber: 101 } })
    expect(node(1).looks(txHash)).toEqual([])
  })

  it('looks that are made together read the head once, and each look later reads it again', async () => {
    const anchor = { number: 90, hash: `0x${(90).toString(16).padStart(64, '0')}` }
    const chain = open(1, { recentHeadMs: 200, binding: { anchor: () => anchor, bind: async () => anchor } })
    // One is of the block by which the node shows that it is on the chain.
    const readHeads = () => node(0).asked('klay_getHeaderByNumber') - 1
    await Promise.all(Array.from({ length: 20 }, () => chain.observe(query(randomHash()))))
    // The first head of all is asked for a second time, by its number: nothing says yet that it is plausible.
    expect(readHeads()).toBe(2)
    await until('the head is no longer recent', async () => {
      await chain.observe(query(randomHash()))
      return readHeads() > 2
    })
    expect(readHeads()).toBe(3)
  })

  it('a thorough look reads the head afresh, however recent the last one is', async () => {
    const chain = open(1, { recentHeadMs: 60_000 })
    await chain.observe(query(randomHash()))
    const before = node(0).asked('klay_getHeaderByNumber')
    await chain.observe(query(randomHash(), { thorough: true }))
    expect(node(0).asked('klay_getHeaderByNumber')).toBe(before + 1)
  })

  it('a node that fails is passed over for the next', async () => {
    const txHash = randomHash()
    node(0).fault = () => ({ kind: 'status', status: 500 })
    node(1).include(txHash)
    expect(await open(2).observe(query(txHash))).toMatchObject({ kind: 'receipt' })
  })

  it('if all fail it says what each of them said, without the rest of their URLs', async () => {
    const chain = open(2, {
      endpoints: [`${node(0).url}/key-secret?apikey=secret`, 'http://user:secret@127.0.0.1:1/'].map(
        (url) => ({
          url,
          label: null,
        }),
      ),
    })
    node(0).fault = () => ({ kind: 'status', status: 401 })
    const observation = await chain.observe(query(randomHash()))
    expect(observation).toMatchObject({
      kind: 'unavailable',
      error: expect.stringContaining('HTTP status 401'),
    })
    expect(
      JSON.stringify([
        observation,
        calls.map(({ node: name, error }) => [name, error?.message, String(error?.cause)]),
      ]),
    ).not.toContain('secret')
  })

  it('a node that lags behind the best known head does not say "absent"', async () => {
    const chain = open(2)
    node(1).mine(6)
    const txHash = randomHash()
    node(0).fault = () => ({ kind: 'status', status: 500 })
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'absent', headNumber: 106 })
    node(0).fault = () => null
    node(1).fault = () => ({ kind: 'status', status: 500 })
    expect(await chain.observe(query(txHash))).toMatchObject({
      kind: 'unavailable',
      error: expect.stringContaining('its head 100 is 6 blocks behind'),
    })
    node(0).mine(1)
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'absent', headNumber: 101 })
  })

  it('a node whose newest block is old does not say "absent", even if it is the only one', async () => {
    node(0).headAgeMs = 60_000
    const observation = await open(1).observe(query(randomHash()))
    expect(observation).toMatchObject({
      kind: 'unavailable',
      error: expect.stringMatching(/its head 100 is \d+ s old/),
    })
  })

  it('a receipt counts at a node that lags: it is there', async () => {
    const txHash = randomHash()
    node(0).headAgeMs = 60_000
    node(0).include(txHash)
    expect(await open(1).observe(query(txHash))).toMatchObject({ kind: 'receipt' })
  })

  it('a receipt of a block that is not the canonical one at its height does not count', async () => {
    const txHash = randomHash()
    const chain = open(1)
    node(0).include(txHash)
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'receipt' })
    node(0).fault = (method, [block]) =>
      method === 'klay_getHeaderByNumber' && block !== 'latest'
        ? { kind: 'result', result: { ...HEADER, number: '0x65', hash: `0x${'f'.repeat(64)}` } }
        : null
    expect(await chain.observe(query(txHash))).toMatchObject({
      kind: 'unavailable',
      error: expect.stringContaining('is of block 0x'),
    })
    node(0).fault = (method, [block]) =>
      method === 'klay_getHeaderByNumber' && block !== 'latest' ? { kind: 'result', result: null } : null
    expect(await chain.observe(query(txHash))).toMatchObject({
      kind: 'unavailable',
      error: expect.stringContaining('it has no block at height 101'),
    })
  })

  it('a node on another chain is not used, and said so once', async () => {
    const txHash = randomHash()
    node(0).chainId = 1001
    node(0).include(txHash, { succeeded: false })
    const chain = open(2)
    for (let count = 0; count < 3; count++) {
      expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'absent' })
    }
    expect(node(0).looks(txHash)).toEqual([])
    expect(chainProblems).toEqual(['it is on chain 1001, not 8217; check RPC_URLS and CHAIN_ID'])
  })

  it('a node that says Retry-After is left alone, and the others are asked', async () => {
    const txHash = randomHash()
    let asked = 0
    node(0).fault = () => {
      asked += 1
      return { kind: 'status', status: 429, headers: { 'retry-after': '60' } }
    }
    const chain = open(2)
    await until('it has said so', () => asked > 0)
    await chain.observe(query(txHash))
    const before = asked
    for (let count = 0; count < 5; count++)
      expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'absent' })
    expect(asked).toBe(before)
  })

  it('a node that fails again and again is left alone for a while, then asked again', async () => {
    const txHash = randomHash()
    let asked = 0
    node(0).fault = () => {
      asked += 1
      return { kind: 'status', status: 500 }
    }
    const chain = open(1)
    for (let count = 0; count < 20; count++) {
      expect((await chain.observe(query(txHash))).kind).toBe('unavailable')
    }
    // Each call of a batch counts, and so do those that tell a refused batch from a node that is down.
    expect(asked).toBeLessThan(30)
    expect(calls.some(({ error }) => error?.code === 'resting')).toBe(true)
    node(0).fault = () => null
    await until('it is asked again', async () => (await chain.observe(query(txHash))).kind === 'absent')
  })

  it('no more calls than the limit are under way at one node', async () => {
    let most = 0
    let underWay = 0
    node(0).fault = (method) => {
      if (method !== 'klay_getTransactionReceipt') return null
      underWay += 1
      most = Math.max(most, underWay)
      setTimeout(() => {
        underWay -= 1
      }, 20)
      return { kind: 'slow', delayMs: 20 }
    }
    const chain = open(1, { timeoutMs: 5_000, maxBatchCalls: 1 })
    const observations = await Promise.all(
      Array.from({ length: 40 }, () => chain.observe(query(randomHash()))),
    )
    expect(observations.every(({ kind }) => kind === 'absent')).toBe(true)
    expect(most).toBeLessThanOrEqual(4)
  })

  it('an answer beyond the size limit is not read to its end', async () => {
    const txHash = randomHash()
    node(0).fault = (method) =>
      method === 'klay_getTransactionReceipt'
        ? { kind: 'body', body: `"${'x'.repeat(33 * 1024 * 1024)}"` }
        : null
    const observation = await open(1, { timeoutMs: 10_000 }).observe(query(txHash))
    expect(observation).toMatchObject({ kind: 'unavailable', error: expect.stringContaining('larger than') })
  })

  it('a node that begins to serve another chain is not used from then on', async () => {
    const txHash = randomHash()
    const chain = open(1, { recentHeadMs: 60_000 })
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'absent' })
    node(0).include(txHash)
    node(0).chainId = 1001
    expect(await chain.observe(query(txHash))).toMatchObject({
      kind: 'unavailable',
      error: expect.stringContaining('it is on chain 1001'),
    })
    node(0).chainId = 8217
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'receipt' })
  })

  it('a head that is millions of blocks ahead is not believed, unless the node has the block', async () => {
    const chain = open(1)
    const txHash = randomHash()
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'absent', headNumber: 100 })
    node(0).fault = (method, [block]) =>
      method === 'klay_getHeaderByNumber' && block === 'latest'
        ? { kind: 'result', result: { ...HEADER, number: '0x4c4b40' } }
        : null
    expect(await chain.observe(query(txHash))).toMatchObject({
      kind: 'unavailable',
      error: expect.stringContaining('its head 5000000 is not plausible'),
    })
    node(0).fault = () => null
    node(0).mine(5_000_000)
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'absent', headNumber: 5_000_100 })
  })

  it('a receipt is not final by a head alone: its node must show a block as far above it', async () => {
    const chain = open(1, { finalityDepthBlocks: 12, maxLagBlocks: 20 })
    const txHash = randomHash()
    await chain.observe(query(txHash))
    node(0).include(txHash)
    node(0).fault = (method, [block]) =>
      method === 'klay_getHeaderByNumber' && block === 'latest'
        ? { kind: 'result', result: { ...HEADER, number: '0x71' } }
        : null
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'receipt', headNumber: 112 })
    node(0).fault = () => null
    node(0).mine(12)
    expect(await chain.observe(query(txHash))).toMatchObject({ kind: 'receipt', headNumber: 113 })
  })

  describe('sender and nonce', () => {
    it('are learned from two answers that agree, of one node where only that knows the transaction', async () => {
      const txHash = randomHash()
      node(0).pend(txHash, SENDER, 4)
      for (const count of [1, 2]) {
        expect(await open(count).observe(query(txHash))).toMatchObject({
          kind: 'absent',
          inPool: true,
          seen: KNOWN,
        })
      }
    })

    it('are not learned where another provider shows others', async () => {
      const txHash = randomHash()
      node(0).pend(txHash, SENDER, 4)
      node(1).pend(txHash, SENDER, 3)
      const chain = open(2)
      const unsure = { kind: 'absent', inPool: true, seen: null }
      expect(await chain.observe(query(txHash))).toMatchObject(unsure)
      expect(await chain.observe(query(txHash, { thorough: true }))).toMatchObject(unsure)
    })

    it('are not learned from an answer that has no sender, but the transaction is in the pool', async () => {
      const txHash = randomHash()
      node(0).pend(txHash, SENDER, 4)
      node(0).fault = (method) =>
        method === 'klay_getTransactionByHash'
          ? { kind: 'result', result: { hash: txHash, from: null, nonce: '0x4' } }
          : null
      expect(await open(1).observe(query(txHash))).toMatchObject({
        kind: 'absent',
        inPool: true,
        seen: null,
        notes: [expect.stringContaining('used without from')],
      })
    })

    it('are not learned from the answer about another transaction, and the absence stands', async () => {
      const [txHash, other] = [randomHash(), randomHash()]
      node(0).fault = (method) =>
        method === 'klay_getTransactionByHash'
          ? { kind: 'result', result: { hash: other, from: SENDER, nonce: '0x4' } }
          : null
      expect(await open(1).observe(query(txHash))).toMatchObject({
        kind: 'absent',
        inPool: false,
        seen: null,
        notes: [expect.stringContaining(`it is another transaction, ${other}`)],
      })
    })
  })

  it('the nodes of one provider are one witness of an absence', async () => {
    const txHash = randomHash()
    const thorough = query(txHash, { thorough: true })
    const urls = nodes.map(({ url }) => url)
    const endpoints = urls.map((url, index) => ({ url, label: index < 2 ? null : 'other' }))
    const chain = open(2, { endpoints: endpoints.slice(0, 2) })
    expect(await chain.observe(thorough)).toMatchObject({ kind: 'absent', providers: 1 })
    expect(node(1).looks(txHash)).toEqual([])
    const both = open(3, { endpoints })
    expect(await both.observe(thorough)).toMatchObject({
      providers: 2,
      nodes: [new URL(urls[0] ?? '').host, 'other'],
    })
    node(0).fault = () => ({ kind: 'status', status: 500 })
    expect(await both.observe(thorough)).toMatchObject({
      providers: 2,
      nodes: [new URL(urls[1] ?? '').host, 'other'],
    })
  })

  it('a node that can not say whether it knows the transaction is no witness of its absence', async () => {
    node(0).fault = (method) =>
      method === 'klay_getTransactionByHash' ? { kind: 'error', code: -32_000, message: 'not now' } : null
    const observation = await open(2).observe(query(randomHash(), { thorough: true }))
    expect(observation).toMatchObject({
      kind: 'absent',
      providers: 1,
      notes: [expect.stringContaining('not now')],
    })
  })

  describe('that a nonce is used up', () => {
    const thorough = (txHash: string) => query(txHash, { known: KNOWN, thorough: true })

    it('is seen by as many nodes as are asked for', async () => {
      for (const each of nodes) each.setNonce(SENDER, 5)
      expect(await open(2).observe(thorough(randomHash()))).toMatchObject({
        kind: 'absent',
        nodes: [expect.any(String), expect.any(String)],
        replacement: [
          { nonce: 5, headNumber: 100 },
          { nonce: 5, headNumber: 100 },
        ],
      })
    })

    it.each([
      ['one of two nodes has not seen it', (txHash: string) => void txHash, [5, 4]],
      ['the nonce is ours', (txHash: string) => void txHash, [4, 4]],
      ['a pool has the transaction', (txHash: string) => node(1).pend(txHash, SENDER, 4), [5, 5]],
    ])('is not seen if %s', async (_title, prepare, nonces) => {
      const txHash = randomHash()
      prepare(txHash)
      nonces.forEach((nonce, index) => {
        node(index).setNonce(SENDER, nonce)
      })
      expect(await open(2).observe(thorough(txHash))).toMatchObject({ kind: 'absent', replacement: [] })
    })

    it('is not seen if only one of two nodes answers', async () => {
      for (const each of nodes) each.setNonce(SENDER, 5)
      node(1).fault = () => ({ kind: 'status', status: 500 })
      expect(await open(2).observe(thorough(randomHash()))).toMatchObject({ kind: 'absent', replacement: [] })
    })

    it.each([
      ['its state is gone', 'klay_getTransactionCount'],
      ['the second look for the receipt fails', 'klay_getTransactionReceipt'],
    ])('is not seen where %s; the absence stands without it', async (_title, failing) => {
      const txHash = randomHash()
      let asked = 0
      node(0).setNonce(SENDER, 5)
      node(0).fault = (method) => {
        if (method !== failing) return null
        asked += 1
        const isFirst = failing === 'klay_getTransactionReceipt' && asked === 1
        return isFirst ? null : { kind: 'error', code: -32_000, message: 'missing trie node 0a (path )' }
      }
      expect(await open(1).observe(thorough(txHash))).toMatchObject({
        kind: 'absent',
        providers: 1,
        replacement: [],
        notes: [expect.stringContaining('missing trie node')],
      })
    })

    it('is seen by two of three providers where one can not say', async () => {
      for (const each of nodes) each.setNonce(SENDER, 5)
      node(0).fault = (method) =>
        method === 'klay_getTransactionCount' ? { kind: 'error', code: -32_000, message: 'no state' } : null
      expect(await open(3).observe(thorough(randomHash()))).toMatchObject({
        nodes: ['node-0', 'node-1', 'node-2'],
        replacement: [{ node: 'node-1' }, { node: 'node-2' }],
      })
    })

    it('is not seen by two nodes of one provider', async () => {
      for (const each of nodes) each.setNonce(SENDER, 5)
      const endpoints = nodes.slice(0, 2).map(({ url }) => ({ url, label: null }))
      const observation = await open(2, { endpoints }).observe(thorough(randomHash()))
      expect(observation).toMatchObject({ kind: 'absent', providers: 1, replacement: [] })
    })

    it('is not seen before the block that used it is final', async () => {
      const chain = open(1, { finalityDepthBlocks: 3 })
      const txHash = randomHash()
      node(0).setNonce(SENDER, 5)
      node(0).mine(2)
      expect(await chain.observe(thorough(txHash))).toMatchObject({ kind: 'absent', replacement: [] })
      node(0).mine()
      expect(await chain.observe(thorough(txHash))).toMatchObject({ replacement: [{ nonce: 5 }] })
    })

    it('is not seen where the receipt is found after the nonce was read: a lagging machine had missed it', async () => {
      const txHash = randomHash()
      node(0).setNonce(SENDER, 5)
      node(0).fault = (method) => {
        if (method === 'klay_getTransactionCount') node(0).include(txHash)
        return null
      }
      expect(await open(1).observe(thorough(txHash))).toMatchObject({ kind: 'absent', replacement: [] })
    })
  })
})

describe('a transaction whose nonce another one used', () => {
  it('is replaced after agreeing looks over 10 s, with the evidence, without the business write', async () => {
    const second = await startScriptedNode()
    const world = await createWorld('table', {
      HANDLERS: ORDER_HANDLERS,
      RETRY_DELAYS_MS: '500',
      RETRY_LIMIT: '1000',
    })
    try {
      await createOrderTables(world.db)
      const { url } = await world.start('start', { RPC_URLS: `one=${world.node.url},two=${second.url}` })
      const [txHash, alive] = [randomHash(), randomHash()]
      for (const node of [world.node, second]) {
        node.pend(txHash, SENDER, 4)
        node.pend(alive, SENDER, 5)
      }
      const { body } = await register(url, { txHash, kind: 'order' })
      await register(url, { txHash: alive, kind: 'order' })
      await untilRow(
        world.db,
        txHash,
        'seen',
        (row) => row['seen_nonce'] === '4' && row['seen_sender'] === SENDER,
      )
      for (const node of [world.node, second]) {
        node.drop(txHash)
        node.setNonce(SENDER, 5)
      }
      const row = await untilStatus(world.db, txHash, 'replaced')
      const looks = row['evidence'] as { node: string; nonce: number; headNumber: number; at: string }[][]
      expect(looks.length).toBeGreaterThanOrEqual(3)
      for (const look of looks) {
        expect(look).toMatchObject([
          { nonce: 5, headNumber: 100 },
          { nonce: 5, headNumber: 100 },
        ])
        expect(new Set(look.map(({ node }) => node)).size).toBe(2)
      }
      const [first, last] = [looks[0]?.[0]?.at ?? '', looks.at(-1)?.[0]?.at ?? '']
      expect(Date.parse(last) - Date.parse(first)).toBeGreaterThanOrEqual(10_000)
      expect(await eventsOf(world.db, body.id)).toMatchObject([{ status: 'replaced' }])
      expect(await countOrders(world.db, txHash)).toBe(0)
      expect(await world.db('confirmd.transaction_history').where({ tx_hash: alive }).first()).toMatchObject({
        status: 'pending',
        evidence: null,
      })
    } finally {
      await world.close()
      await second.stop()
    }
  })
})
