import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Chain, openChain } from '../../src/chain/chain.ts'
import { unboundChain } from '../../src/chain-binding.ts'
import { recordedFields } from '../support/kaia-answers.ts'
import {
  type Answer,
  type Fault,
  randomHash,
  type ScriptedNode,
  startScriptedNode,
} from '../support/scripted-node.ts'

const BLOCK = recordedFields('block', 'klay_getBlockByNumber')
const OTHER_HASH = `0x${'f'.repeat(64)}`

describe('the blocks of the chain', () => {
  let nodes: ScriptedNode[]
  let opened: Chain[]

  beforeEach(async () => {
    nodes = [await startScriptedNode(), await startScriptedNode()]
    opened = []
  })
  afterEach(async () => {
    for (const chain of opened) await chain.close()
    for (const node of nodes) await node.stop()
  })

  function open(count: number, finalityDepthBlocks = 0): Chain['blocks'] {
    const chain = openChain({
      endpoints: nodes.slice(0, count).map(({ url }, index) => ({ url, label: `node-${index}` })),
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
      finalityDepthBlocks,
      witnesses: 1,
      redact: (text) => text,
      onCall: () => undefined,
      onWrongChain: () => undefined,
      onChainChecked: () => undefined,
      onAnnouncing: () => undefined,
    })
    opened.push(chain)
    return chain.blocks
  }

  function node(index: number): ScriptedNode {
    const found = nodes[index]
    if (!found) throw new Error(`there is no node ${index}`)
    return found
  }

  const hex = (number: number) => `0x${number.toString(16)}`
  const hashOf = (number: number) => `0x${number.toString(16).padStart(64, '0')}`
  const numbers = (blocks: readonly { number: number }[]) => blocks.map(({ number }) => number)
  /** Answers for one method and its first parameter; everything else is as it should be. */
  const only = (method: string, first: string, answer: Answer): Fault => {
    return (asked, [param]) => (asked === method && param === first ? answer : null)
  }
  const result = (changes: object): Answer => ({
    kind: 'result',
    result: { ...BLOCK, timestamp: hex(Math.floor(Date.now() / 1_000)), ...changes },
  })

  it('come in their order, each the parent of the next, with the hashes of their transactions', async () => {
    const blocks = open(1)
    const txHash = randomHash()
    node(0).include(txHash)
    node(0).mine(2)
    const found = await blocks.read(99, 20)
    expect(numbers(found)).toEqual([99, 100, 101, 102, 103])
    expect(found[2]).toMatchObject({ hash: hashOf(101), parentHash: hashOf(100), txHashes: [txHash] })
    expect(found.every(({ headNumber }) => headNumber === 103)).toBe(true)
    expect(await blocks.read(104, 20)).toEqual([])
    node(0).mine()
    expect(numbers(await blocks.read(104, 20))).toEqual([104])
  })

  it.each([
    ['its hash', { hash: OTHER_HASH, parentHash: hashOf(96) }, 97],
    ['the hash of its parent', { hash: hashOf(97), parentHash: OTHER_HASH }, 96],
  ])('are cut where one does not fit the next by %s, and never wrong', async (_title, wrong, last) => {
    const blocks = open(1)
    node(0).fault = only(
      'klay_getBlockByNumber',
      hex(97),
      result({ number: hex(97), transactions: [], ...wrong }),
    )
    const reading = blocks.read(95, 5)
    // A block that is wrong itself is not given out; one that names another parent comes only after its own.
    if (last === 97) await expect(reading).rejects.toThrow(`it shows block 97 as ${OTHER_HASH}`)
    else expect(numbers(await reading)).toEqual([95, 96])
    node(0).fault = () => null
    expect(numbers(await blocks.read(95, 5))).toEqual([95, 96, 97, 98, 99])
  })

  it.each([100, 101])('are not given out where block %i has another hash than its header', async (number) => {
    const blocks = open(1)
    expect(await blocks.newest()).toBe(100)
    const wrong = { number: hex(number), hash: OTHER_HASH, parentHash: hashOf(number - 1), transactions: [] }
    node(0).fault = only('klay_getBlockByNumber', hex(number), result(wrong))
    if (number === 101) node(0).mine()
    await expect(blocks.read(number, 5)).rejects.toThrow(`it shows block ${number} as ${OTHER_HASH}`)
    node(0).fault = () => null
    expect((await blocks.read(number, 5)).map(({ hash }) => hash)).toEqual([hashOf(number)])
  })

  it('a head that the node does not bear out does not stay', async () => {
    const blocks = open(1)
    expect(await blocks.newest()).toBe(100)
    node(0).fault = only('klay_getHeaderByNumber', 'latest', result({ number: hex(150), hash: hashOf(150) }))
    await expect(blocks.newest()).rejects.toThrow('no node can be followed')
    node(0).fault = () => null
    expect(await blocks.newest()).toBe(100)
    expect(await blocks.read(101, 20)).toEqual([])
    node(0).mine()
    expect(numbers(await blocks.read(101, 20))).toEqual([101])
  })

  it('of a node that went back are read from its new head on', async () => {
    const blocks = open(1)
    node(0).mine(10)
    expect(await blocks.newest()).toBe(110)
    // As behind a load balancer whose next machine is behind.
    node(0).fault = (method, [block]) => {
      if (method === 'klay_getHeaderByNumber' && block === 'latest') {
        return result({ number: hex(104), hash: hashOf(104), parentHash: hashOf(103) })
      }
      return Number(block) > 104 ? { kind: 'result', result: null } : null
    }
    expect(await blocks.read(103, 20)).toEqual([])
    expect(numbers(await blocks.read(103, 20))).toEqual([103, 104])
  })

  it('are final only if the node shows a block so far above them', async () => {
    const blocks = open(1, 3)
    expect(await blocks.newest()).toBe(97)
    expect((await blocks.read(96, 20)).map(({ number, headNumber }) => [number, headNumber])).toEqual([
      [96, 100],
      [97, 100],
    ])
    node(0).fault = only('klay_getHeaderByNumber', hex(100), { kind: 'result', result: null })
    await blocks.read(97, 20).catch(() => undefined)
    node(0).fault = () => null
    expect(numbers(await blocks.read(97, 20))).toEqual([97])
    expect(await blocks.read(98, 20)).toEqual([])
  })

  it('and their receipts are of one node, and of that block', async () => {
    const [ours, theirs, odd] = [randomHash(), randomHash(), randomHash()]
    node(0).fault = () => ({ kind: 'status', status: 500 })
    const blocks = open(2)
    node(1).include(ours)
    node(1).include(theirs)
    const block = (await blocks.read(101, 1).catch(() => blocks.read(101, 1)))[0]
    if (!block) throw new Error('there is no block')
    expect(block.node).toBe('node-1')
    node(0).fault = () => null
    node(0).include(ours, { succeeded: false })
    const receipts = await blocks.receiptsOf(block, [ours, theirs, odd])
    expect(receipts.map(({ txHash, succeeded }) => [txHash, succeeded])).toEqual([[ours, true]])
  })

  it('can be asked for their hash at the node that is read', async () => {
    const blocks = open(1)
    expect(await blocks.hashAt(100)).toBe(hashOf(100))
    expect(await blocks.hashAt(101)).toBeNull()
  })

  it('the first since a time is not found by times that contradict each other', async () => {
    const blocks = open(1)
    // A block's time has whole seconds.
    const startMs = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000
    const timeOf = (number: number) => hex(Math.floor(startMs / 1_000) + number)
    const timed: Fault = (method, [block]) => {
      if (method !== 'klay_getHeaderByNumber' || block === 'latest') return null
      const number = Number(block)
      const parentHash = hashOf(number - 1)
      return number < 100
        ? result({ number: hex(number), hash: hashOf(number), parentHash, timestamp: timeOf(number) })
        : null
    }
    node(0).fault = timed
    expect(await blocks.firstSince(startMs + 41_500)).toBe(42)
    let asked = 0
    node(0).fault = (method, params) => {
      const isWrong = method === 'klay_getHeaderByNumber' && params[0] === hex(50) && asked++ === 0
      return isWrong ? { kind: 'result', result: null } : timed(method, params)
    }
    await expect(blocks.firstSince(startMs + 41_500)).rejects.toThrow('its block times contradict each other')
    expect(await blocks.firstSince(startMs + 41_500)).toBe(42)
  })
})
