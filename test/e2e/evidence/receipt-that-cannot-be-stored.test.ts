// Public reports: algorand/indexer#566, Ledger-Data-Refiner#1, bloxbean/yaci-store#209 (text and numbers of the chain
// that the database refuses).
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { describeWithBroker, type QueueKind } from '../../support/broker.ts'
import { createFleet, type Fleet, type Row, registerAll } from '../../support/fleet-world.ts'
import { type Fault, randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

type Fields = Readonly<Record<string, unknown>>

const NOTE = 'abc'
const LOG = { address: `0x${'22'.repeat(20)}`, topics: [`0x${'33'.repeat(32)}`], data: '0x' }

/** In fields of which nothing depends. */
const TEXTS: readonly (readonly [string, unknown])[] = [
  ['NUL in a text', `${NOTE}\u0000\u0000`],
  ['half of a surrogate pair in a text', `${NOTE}\ud83d`],
  ['NUL in a key', { 'me\u0000mo': NOTE }],
  ['half of a surrogate pair in a key', { 'memo\udc00': NOTE }],
  ['NUL deep within', [{ list: [[NOTE, '\u0000']] }]],
  ['nesting that no serializer takes', '@nested'],
]
const NESTED = `${'['.repeat(20_000)}1${']'.repeat(20_000)}`

/** In fields that are read: what is no such value at all may also be waited for, if the row says so. */
const READ_FIELDS: readonly (readonly [string, 'confirmed' | 'failed', Fields])[] = [
  ['an index beyond int4', 'confirmed', { transactionIndex: '0x80000000' }],
  ['an index near 2^53', 'confirmed', { transactionIndex: '0x1ffffffffffffe' }],
  ['NUL in the data of a log', 'confirmed', { logs: [{ ...LOG, data: '0x00\u0000' }] }],
  ['NUL in a key of a log', 'confirmed', { logs: [{ ...LOG, 'x\u0000': 1 }] }],
  ['NUL in txError', 'failed', { txError: '0x9\u0000' }],
  ['half of a surrogate pair in txError', 'failed', { txError: '0x9\ud83d' }],
  ['a negative gasUsed', 'confirmed', { gasUsed: '-0x5208' }],
  ['a gasUsed that is no number', 'confirmed', { gasUsed: 'lots' }],
  ['a gas price that is no text', 'confirmed', { effectiveGasPrice: { wei: 1 } }],
]

/** The value as it would be if what can't be stored had been dropped without a word. */
function withoutUnstorable(value: unknown): unknown {
  const strip = (text: string) => text.replaceAll('\u0000', '').replace(/\p{Surrogate}/gu, '')
  if (typeof value === 'string') return strip(value)
  if (Array.isArray(value)) return value.map(withoutUnstorable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [strip(key), withoutUnstorable(item)]))
}

function suite(kind: QueueKind, followBlocks: 'on' | 'off'): void {
  let fleet: Fleet
  let running: RoleProcess
  /** What the node shows in receipts beside, or instead of, what is in them. */
  const shown = new Map<string, Fields>()

  const alter = (receipt: unknown): unknown => {
    const { transactionHash } = (receipt ?? {}) as { transactionHash?: string }
    return transactionHash && shown.has(transactionHash)
      ? { ...(receipt as object), ...shown.get(transactionHash) }
      : receipt
  }
  const fault: Fault = (method) => {
    if (method.endsWith('_getTransactionReceipt')) return { kind: 'altered', alter }
    if (!method.endsWith('_getBlockReceipts')) return null
    return { kind: 'altered', alter: (list) => (list as unknown[] | null)?.map(alter) ?? null }
  }

  beforeAll(async () => {
    fleet = await createFleet(kind, { FOLLOW_BLOCKS: followBlocks })
    fleet.node.fault = fault
    fleet.node.rewrite = (body) => body.replaceAll('"@nested"', NESTED)
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  /** In a block between two others; resolves with the number of the later one. */
  async function include(txHash: string, succeeded: boolean, neighbours: readonly string[]): Promise<number> {
    await registerAll(running, [
      { txHash, kind: 'both' },
      ...neighbours.map((each) => ({ txHash: each, kind: 'order' })),
    ])
    fleet.chain.include(neighbours.slice(0, 1))
    fleet.chain.include(txHash, { succeeded })
    return fleet.chain.include(neighbours.slice(1))
  }

  /** Whatever became of the one between them. */
  async function expectOthersGoOn(neighbours: readonly string[], lastBlock: number): Promise<void> {
    for (const each of neighbours) await fleet.untilConfirmedOnce(each)
    if (followBlocks === 'off') return
    await until('the follower has passed them', async () => (await fleet.followedBlock()) >= lastBlock)
  }

  async function untilSettledOnce(txHash: string, status: string): Promise<Row> {
    const row = await fleet.untilRow(txHash, `it is ${status}`, (each) => each['status'] === status)
    const kept = { writes: await fleet.writesOf(txHash), events: await fleet.eventsOf(txHash) }
    expect(kept).toEqual({ writes: 1, events: [status] })
    return row
  }

  it.concurrent.each(TEXTS)('with %s is confirmed, and not without a mark', async (_name, note) => {
    const txHash = randomHash()
    shown.set(txHash, { inputJSON: note })
    const neighbours = [randomHash(), randomHash()]
    const lastBlock = await include(txHash, true, neighbours)
    const { receipt, last_error: lastError } = await untilSettledOnce(txHash, 'confirmed')
    const kept = (receipt as Fields)['inputJSON']
    const isMarked = kept !== undefined && !isDeepStrictEqual(kept, withoutUnstorable(note))
    expect(isMarked || lastError !== null).toBe(true)
    await expectOthersGoOn(neighbours, lastBlock)
  })

  it.concurrent.each(READ_FIELDS)(
    'with %s is %s, or waits for a better one and says why',
    async (_name, status, fields) => {
      const txHash = randomHash()
      shown.set(txHash, fields)
      const neighbours = [randomHash(), randomHash()]
      const lastBlock = await include(txHash, status === 'confirmed', neighbours)
      const isDecided = (row: Row) => row['status'] === status || row['last_error'] !== null
      await fleet.untilRow(txHash, 'it is settled, or says why not', isDecided)
      await expectOthersGoOn(neighbours, lastBlock)
      shown.delete(txHash)
      await untilSettledOnce(txHash, status)
    },
  )
}

describe('a receipt, found by the follower (table)', () => suite('table', 'on'))
describeWithBroker('a receipt, found by the queue (rabbitmq)', () => suite('rabbitmq', 'off'))
