import { describe, expect, it } from 'vitest'
import { decide, type FinalityPolicy, type Observation } from '../../src/domain/finality.ts'
import type { Receipt } from '../../src/domain/receipt.ts'
import type { Transaction, TransactionStatus } from '../../src/domain/transaction.ts'

const NOW = new Date('2026-01-02T00:00:00Z')
const DAY_MS = 86_400_000

const policy: FinalityPolicy = {
  retryDelaysMs: [1000, 2000, 5000],
  retryLimit: 3,
  finalityDepthBlocks: 0,
  expireAfterMs: DAY_MS,
  stalledCheckIntervalMs: 60_000,
}

const receipt: Receipt = {
  txHash: `0x${'1'.repeat(64)}`,
  succeeded: true,
  txError: null,
  blockNumber: 50,
  blockHash: `0x${'b'.repeat(64)}`,
  transactionIndex: 0,
  gasUsed: '21000',
  effectiveGasPriceWei: '25000000000',
  raw: {},
}
const reverted: Receipt = { ...receipt, succeeded: false, txError: '0x9' }

type State = Pick<Transaction, 'status' | 'retryCount' | 'consecutiveErrors' | 'stalledAt'>

function state(status: TransactionStatus, changes: Partial<State> = {}): State {
  return { status, retryCount: 0, consecutiveErrors: 0, stalledAt: null, ...changes }
}

const absent: Observation = { kind: 'absent', node: 'n', headNumber: 60 }
const unavailable: Observation = { kind: 'unavailable', error: 'time-out' }
const seen = (given: Receipt, headNumber = 60): Observation => ({
  kind: 'receipt',
  node: 'n',
  headNumber,
  receipt: given,
})

const FAILURE = { code: '0x9', name: 'execution reverted' }
const confirmed = { kind: 'settle', status: 'confirmed', receipt, failure: null }
const failed = { kind: 'settle', status: 'failed', receipt: reverted, failure: FAILURE }

interface Row {
  title: string
  observation: Observation
  from: State
  changes?: Partial<FinalityPolicy>
  expected: object
}

const spent = (retryCount: number, delayMs: number) => ({
  kind: 'wait',
  reason: 'receipt-absent',
  delayMs,
  retryCount,
  consecutiveErrors: 0,
  error: null,
})
const unspent = (retryCount: number, consecutiveErrors: number, delayMs: number) => ({
  kind: 'wait',
  reason: 'node-unavailable',
  delayMs,
  retryCount,
  consecutiveErrors,
  error: 'time-out',
})
const keep = (nextCheckInMs: number | null, error: string | null = null) => ({
  kind: 'keep',
  nextCheckInMs,
  error,
})
const stalledLongAgo = new Date(NOW.getTime() - DAY_MS)

const table: Row[] = [
  { title: 'success is confirmed', observation: seen(receipt), from: state('pending'), expected: confirmed },
  {
    title: 'a revert is failed at once',
    observation: seen(reverted),
    from: state('pending'),
    expected: failed,
  },
  {
    title: 'at the limit, success still counts',
    observation: seen(receipt),
    from: state('pending', { retryCount: 3 }),
    expected: confirmed,
  },
  { title: 'absent: first wait', observation: absent, from: state('pending'), expected: spent(1, 1000) },
  {
    title: 'absent: second wait',
    observation: absent,
    from: state('pending', { retryCount: 1 }),
    expected: spent(2, 2000),
  },
  {
    title: 'absent: third wait',
    observation: absent,
    from: state('pending', { retryCount: 2 }),
    expected: spent(3, 5000),
  },
  {
    title: 'absent: the last delay repeats',
    observation: absent,
    from: state('pending', { retryCount: 7 }),
    changes: { retryLimit: 10 },
    expected: spent(8, 5000),
  },
  {
    title: 'absent at the limit: stalled',
    observation: absent,
    from: state('pending', { retryCount: 3 }),
    expected: { kind: 'stall', reason: 'receipt-absent', nextCheckInMs: 60_000 },
  },
  {
    title: 'absent after errors: the row of errors ends',
    observation: absent,
    from: state('pending', { consecutiveErrors: 9 }),
    expected: spent(1, 1000),
  },
  {
    title: 'error: nothing is spent',
    observation: unavailable,
    from: state('pending'),
    expected: unspent(0, 1, 1000),
  },
  {
    title: 'errors in a row: slower, still nothing spent',
    observation: unavailable,
    from: state('pending', { retryCount: 1, consecutiveErrors: 2 }),
    expected: unspent(1, 3, 5000),
  },
  {
    title: 'error at the limit: never stalled by it',
    observation: unavailable,
    from: state('pending', { retryCount: 3, consecutiveErrors: 500 }),
    expected: unspent(3, 501, 5000),
  },
  {
    title: 'depth not reached: waits',
    observation: seen(receipt, 51),
    from: state('pending'),
    changes: { finalityDepthBlocks: 2 },
    expected: { ...spent(1, 1000), reason: 'not-final' },
  },
  {
    title: 'depth not reached by a revert: waits too',
    observation: seen(reverted, 51),
    from: state('pending'),
    changes: { finalityDepthBlocks: 2 },
    expected: { ...spent(1, 1000), reason: 'not-final' },
  },
  {
    title: 'depth just reached',
    observation: seen(receipt, 52),
    from: state('pending'),
    changes: { finalityDepthBlocks: 2 },
    expected: confirmed,
  },
  {
    title: 'depth just reached by a revert',
    observation: seen(reverted, 52),
    from: state('pending'),
    changes: { finalityDepthBlocks: 2 },
    expected: failed,
  },
  {
    title: 'not final at the limit: stalled',
    observation: seen(receipt, 50),
    from: state('pending', { retryCount: 3 }),
    changes: { finalityDepthBlocks: 1 },
    expected: { kind: 'stall', reason: 'not-final', nextCheckInMs: 60_000 },
  },
  {
    title: 'head read before the block came: inclusion is final',
    observation: seen(receipt, 49),
    from: state('pending'),
    expected: confirmed,
  },
  {
    title: 'head read before the block came: depth counts from the block',
    observation: seen(receipt, 49),
    from: state('pending'),
    changes: { finalityDepthBlocks: 1 },
    expected: { ...spent(1, 1000), reason: 'not-final' },
  },
  {
    title: 'stalled: a late success is confirmed',
    observation: seen(receipt),
    from: state('stalled', { stalledAt: stalledLongAgo }),
    expected: confirmed,
  },
  {
    title: 'stalled: a late revert is failed',
    observation: seen(reverted),
    from: state('stalled', { stalledAt: stalledLongAgo }),
    expected: failed,
  },
  {
    title: 'stalled and absent: kept',
    observation: absent,
    from: state('stalled', { stalledAt: NOW }),
    expected: keep(60_000),
  },
  {
    title: 'stalled and absent just before the end: kept',
    observation: absent,
    from: state('stalled', { stalledAt: new Date(stalledLongAgo.getTime() + 1) }),
    expected: keep(60_000),
  },
  {
    title: 'stalled and absent at the end: expired',
    observation: absent,
    from: state('stalled', { stalledAt: stalledLongAgo }),
    expected: { kind: 'expire' },
  },
  {
    title: 'stalled and not to be seen at the end: kept',
    observation: unavailable,
    from: state('stalled', { stalledAt: stalledLongAgo }),
    expected: keep(60_000, 'time-out'),
  },
  {
    title: 'stalled and not final at the end: kept',
    observation: seen(receipt, 50),
    from: state('stalled', { stalledAt: stalledLongAgo }),
    changes: { finalityDepthBlocks: 1 },
    expected: keep(60_000),
  },
  {
    title: 'expired: a late success is confirmed',
    observation: seen(receipt),
    from: state('expired'),
    expected: confirmed,
  },
  {
    title: 'expired: a late revert is failed',
    observation: seen(reverted),
    from: state('expired'),
    expected: failed,
  },
  { title: 'expired and absent: kept', observation: absent, from: state('expired'), expected: keep(null) },
  {
    title: 'expired and not to be seen: kept',
    observation: unavailable,
    from: state('expired'),
    expected: keep(null, 'time-out'),
  },
]

describe('the decision table', () => {
  it.each(table)('$title', ({ observation, from, changes, expected }) => {
    expect(decide(observation, { ...policy, ...changes }, from, NOW)).toEqual(expected)
  })

  it('gives a verdict only for a receipt, whatever the state', () => {
    for (const observation of [absent, unavailable]) {
      for (const status of ['pending', 'stalled', 'expired'] as const) {
        for (const retryCount of [0, 3, 1000]) {
          const decision = decide(
            observation,
            policy,
            state(status, { retryCount, stalledAt: stalledLongAgo }),
            NOW,
          )
          expect(decision.kind).not.toBe('settle')
        }
      }
    }
  })
})
