import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Chain, openChain } from '../../src/chain/chain.ts'
import { unboundChain } from '../../src/chain-binding.ts'
import { type Fault, randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'

const SENDER = `0x${'ab'.repeat(20)}`
const NONCE = 4

describe('the transaction that consumed a nonce', () => {
  let node: ScriptedNode
  let other: ScriptedNode
  let chain: Chain
  let replacing: string
  const txHash = randomHash()
  const replaced = { txHash, sender: SENDER, nonce: NONCE }

  beforeEach(async () => {
    node = await startScriptedNode()
    other = await startScriptedNode()
    chain = open([node])
    replacing = randomHash()
    node.mine(50)
    node.include(replacing, { sender: SENDER, nonce: NONCE })
    node.setNonce(SENDER, NONCE + 1)
    node.mine(30)
  })
  afterEach(async () => {
    await chain.close()
    await node.stop()
    await other.stop()
  })

  function open(nodes: readonly ScriptedNode[]): Chain {
    return openChain({
      endpoints: nodes.map(({ url }, index) => ({ url, label: `node-${index}` })),
      webSocketUrls: [],
      chain: 'kaia',
      binding: unboundChain(),
      chainId: 8217,
      timeoutMs: 1_000,
      maxInFlight: 4,
      maxBatchCalls: 100,
      recentHeadMs: 0,
      maxLagBlocks: 5,
      maxHeadAgeMs: 30_000,
      finalityDepthBlocks: 0,
      witnesses: 1,
      redact: (text) => text,
      onCall: () => undefined,
      onWrongChain: () => undefined,
      onChainChecked: () => undefined,
      onAnnouncing: () => undefined,
    })
  }

  const pruned = (blocks: number): Fault => {
    return (method, [, block]) =>
      method === 'klay_getTransactionCount' && Number(block) < node.head() - blocks
        ? { kind: 'error', code: -32_000, message: 'missing trie node' }
        : null
  }

  it('is found in its block', async () => {
    expect(await chain.findReplacing(replaced)).toEqual({
      kind: 'found',
      txHash: replacing,
      blockNumber: 151,
    })
  })

  it('is found within the state that a pruning node still has', async () => {
    node.fault = pruned(128)
    expect(await chain.findReplacing(replaced)).toMatchObject({ kind: 'found', txHash: replacing })
  })

  it('is found one by one where receipts do not name sender and nonce', async () => {
    node.fault = (method) => (method === 'klay_getBlockReceipts' ? { kind: 'result', result: null } : null)
    expect(await chain.findReplacing(replaced)).toMatchObject({ kind: 'found', txHash: replacing })
  })

  it('may be the transaction itself', async () => {
    const self = { ...replaced, txHash: replacing }
    expect(await chain.findReplacing(self)).toMatchObject({ kind: 'found', txHash: replacing })
  })

  it('is found at the next node where the first can not say', async () => {
    await chain.close()
    chain = open([other, node])
    other.fault = () => ({ kind: 'status', status: 500 })
    expect(await chain.findReplacing(replaced)).toMatchObject({ kind: 'found', txHash: replacing })
  })

  it.each<[string, Fault | number, RegExp]>([
    ['the node has no older state', 10, /no state of an older block.*missing trie node/],
    ['the node fails', () => ({ kind: 'status', status: 500 }), /HTTP status 500/],
    [
      'its block is gone',
      (method) => (method === 'klay_getBlockByNumber' ? { kind: 'result', result: null } : null),
      /lacks block 151/,
    ],
    [
      'the transaction has another sender than its receipt',
      (method) =>
        method === 'klay_getTransactionByHash'
          ? { kind: 'result', result: { hash: replacing, from: `0x${'1'.repeat(40)}`, nonce: '0x4' } }
          : null,
      /block 151.*shows no transaction with it/,
    ],
    [
      'the answers make no sense',
      (method) => (method === 'klay_getTransactionCount' ? { kind: 'result', result: [] } : null),
      /no usable transaction count/,
    ],
  ])('is unknown, with the reason, where %s', async (_title, fault, reason) => {
    node.fault = typeof fault === 'number' ? pruned(fault) : fault
    const found = await chain.findReplacing(replaced)
    expect(found).toMatchObject({ kind: 'unknown', reason: expect.stringMatching(reason) })
  })

  it('is unknown where the nonce is not consumed, or was consumed too long ago', async () => {
    expect(await chain.findReplacing({ ...replaced, nonce: 5 })).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('nonce 5 is not consumed in block 181'),
    })
    node.mine(20_000)
    expect(await chain.findReplacing(replaced)).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('was consumed before block 10181'),
    })
  })

  it('is unknown where there are no nodes', async () => {
    await chain.close()
    chain = open([])
    expect(await chain.findReplacing(replaced)).toEqual({
      kind: 'unknown',
      reason: 'there is no node to ask',
    })
  })
})
