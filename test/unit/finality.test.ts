import { describe, expect, it } from 'vitest'
import {
  decide,
  type FinalityPolicy,
  type LookedAt,
  type Observation,
  queryFor,
} from '../../src/domain/finality.ts'
import type { Receipt } from '../../src/domain/receipt.ts'
import type { ReplacementLook } from '../../src/domain/replacement.ts'
import type { TransactionStatus } from '../../src/domain/transaction.ts'

const NOW = new Date('2026-01-02T00:00:00Z')
const DAY_MS = 86_400_000

const policy: FinalityPolicy = {
  retryDelaysMs: [1000, 2000, 5000],
  retryLimit: 3,
  finalityDepthBlocks: 0,
  expireAfterMs: DAY_MS,
  stalledCheckIntervalMs: 60_000,
  witnesses: 2,
  replacement: { looks: 3, spanMs: 10_000 },
}

const receipt: Receipt = {
  txHash: `0x${'1'.repeat(64)}`,
  succeeded: true,
  sender: null,
  nonce: null,
  txError: null,
  blockNumber: 50,
  blockHash: `0x${'b'.repeat(64)}`,
  transactionIndex: 0,
  gasUsed: '21000',
  effectiveGasPriceWei: '25000000000',
  raw: {},
  notes: [],
}
const reverted: Receipt = { ...receipt, succeeded: false, txError: '0x9' }

type State = LookedAt

function state(status: TransactionStatus, changes: Partial<State> = {}): State {
  return {
    status,
    retryCount: 0,
    consecutiveErrors: 0,
    absentChecks: 0,
    stalledAt: null,
    settledAt: null,
    evidence: [],
    ...changes,
  }
}

const absent: Extract<Observation, { kind: 'absent' }> = {
  kind: 'absent',
  nodes: ['a', 'b'],
  providers: 2,
  headNumber: 60,
  inPool: false,
  seen: null,
  replacement: [],
}
const atOneNode: Observation = { ...absent, nodes: ['a'], providers: 1 }
const SEEN = { sender: '0xaa', nonce: 4 }
const inPool: Observation = { ...absent, inPool: true, seen: SEEN }

function lookAt(secondsAgo: number): ReplacementLook {
  const at = new Date(NOW.getTime() - secondsAgo * 1000).toISOString()
  return ['a', 'b'].map((node) => ({ node, headNumber: 60, nonce: 5, at }))
}
const usedUp: Observation = {
  ...absent,
  replacement: ['a', 'b'].map((node) => ({ node, headNumber: 60, nonce: 5 })),
}
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

const NOTHING_NEW = { seen: null, evidence: null, absentChecks: null }

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
  notes: NOTHING_NEW,
})
const waitsForFinality = (retryCount: number, delayMs: number) => ({
  ...spent(retryCount, delayMs),
  reason: 'not-final',
})
const unspent = (retryCount: number, consecutiveErrors: number, delayMs: number) => ({
  kind: 'wait',
  reason: 'node-unavailable',
  delayMs,
  retryCount,
  consecutiveErrors,
  error: 'time-out',
  notes: NOTHING_NEW,
})
const keep = (nextCheckInMs: number | null, error: string | null = null) => ({
  kind: 'keep',
  nextCheckInMs,
  error,
  notes: NOTHING_NEW,
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
    expected: { kind: 'stall', reason: 'receipt-absent', nextCheckInMs: 60_000, notes: NOTHING_NEW },
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
    expected: waitsForFinality(0, 1000),
  },
  {
    title: 'the more blocks are missing, the later it is checked again',
    observation: seen(receipt, 51),
    from: state('pending', { retryCount: 2 }),
    changes: { finalityDepthBlocks: 12 },
    expected: waitsForFinality(2, 5000),
  },
  {
    title: 'depth not reached by a revert: waits too',
    observation: seen(reverted, 51),
    from: state('pending'),
    changes: { finalityDepthBlocks: 2 },
    expected: waitsForFinality(0, 1000),
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
    title: 'not final at the limit: never stalled by it',
    observation: seen(receipt, 50),
    from: state('pending', { retryCount: 3 }),
    changes: { finalityDepthBlocks: 1 },
    expected: waitsForFinality(3, 1000),
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
    expected: waitsForFinality(0, 1000),
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
    expected: { ...keep(60_000), notes: { ...NOTHING_NEW, absentChecks: 1 } },
  },
  {
    title: 'stalled and absent just before the end: kept',
    observation: absent,
    from: state('stalled', { stalledAt: new Date(stalledLongAgo.getTime() + 1) }),
    expected: { ...keep(60_000), notes: { ...NOTHING_NEW, absentChecks: 1 } },
  },
  {
    title: 'stalled and absent at the end, as in the two checks before: expired',
    observation: absent,
    from: state('stalled', { stalledAt: stalledLongAgo, absentChecks: 2 }),
    expected: { kind: 'expire', nextCheckInMs: 60_000 },
  },
  {
    title: 'stalled and absent at the end in one check alone: kept, since one answer may be wrong',
    observation: absent,
    from: state('stalled', { stalledAt: stalledLongAgo }),
    expected: { ...keep(60_000), notes: { ...NOTHING_NEW, absentChecks: 1 } },
  },
  {
    title: 'stalled and seen in a pool: the absence begins anew',
    observation: inPool,
    from: state('stalled', { stalledAt: stalledLongAgo, absentChecks: 2 }),
    expected: { ...keep(60_000), notes: { seen: SEEN, evidence: null, absentChecks: 0 } },
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
  {
    title: 'expired and absent: checked on for a day',
    observation: absent,
    from: state('expired', { settledAt: new Date(NOW.getTime() - DAY_MS + 1) }),
    expected: keep(60_000),
  },
  {
    title: 'expired a day ago and absent: left to the follower',
    observation: absent,
    from: state('expired', { settledAt: new Date(NOW.getTime() - DAY_MS) }),
    expected: keep(null),
  },
  {
    title: 'replaced: a late success is confirmed',
    observation: seen(receipt),
    from: state('replaced'),
    expected: confirmed,
  },
  {
    title: 'replaced: a late revert is failed',
    observation: seen(reverted),
    from: state('replaced'),
    expected: failed,
  },
  {
    title: 'replaced and its nonce used up still: checked on for a day, its evidence kept',
    observation: usedUp,
    from: state('replaced', { evidence: [lookAt(60)], settledAt: NOW }),
    expected: keep(60_000),
  },
  {
    title: 'expired and not to be seen: looked at again',
    observation: unavailable,
    from: state('expired'),
    expected: keep(60_000, 'time-out'),
  },
  {
    title: 'expired and not final yet: looked at again',
    observation: seen(receipt, 51),
    changes: { finalityDepthBlocks: 2 },
    from: state('expired'),
    expected: keep(60_000),
  },
]

const THREE = [lookAt(11), lookAt(5), lookAt(0)]
const evidence = (...looks: ReplacementLook[]) => ({ seen: null, evidence: looks, absentChecks: null })

table.push(
  {
    title: 'seen in a pool: sender and nonce are noted',
    observation: inPool,
    from: state('pending'),
    expected: { ...spent(1, 1000), notes: { seen: SEEN, evidence: null, absentChecks: null } },
  },
  {
    title: 'nonce used up, first look: waits with the evidence',
    observation: usedUp,
    from: state('pending'),
    expected: { ...spent(1, 1000), notes: evidence(lookAt(0)) },
  },
  {
    title: 'nonce used up in three looks over 10 s: replaced',
    observation: usedUp,
    from: state('pending', { evidence: [lookAt(11), lookAt(5)] }),
    expected: { kind: 'replace', evidence: THREE, nextCheckInMs: 60_000 },
  },
  {
    title: 'nonce used up in three looks within 10 s: waits',
    observation: usedUp,
    from: state('pending', { evidence: [lookAt(9), lookAt(5)] }),
    expected: { ...spent(1, 1000), notes: evidence(lookAt(9), lookAt(5), lookAt(0)) },
  },
  {
    title: 'nonce used up in two looks over 10 s: waits',
    observation: usedUp,
    from: state('pending', { evidence: [lookAt(60)] }),
    expected: { ...spent(1, 1000), notes: evidence(lookAt(60), lookAt(0)) },
  },
  {
    title: 'nonce used up at one node where two are asked for: the evidence ends',
    observation: { ...absent, replacement: lookAt(0).slice(0, 1) },
    from: state('pending', { evidence: [lookAt(11), lookAt(5)] }),
    expected: { ...spent(1, 1000), notes: evidence() },
  },
  {
    title: 'nonce not used up after all: the evidence ends',
    observation: absent,
    from: state('pending', { evidence: [lookAt(11), lookAt(5)] }),
    expected: { ...spent(1, 1000), notes: evidence() },
  },
  {
    title: 'seen in a pool after all: the evidence ends',
    observation: inPool,
    from: state('pending', { evidence: [lookAt(11), lookAt(5)] }),
    expected: { ...spent(1, 1000), notes: { seen: SEEN, evidence: [], absentChecks: null } },
  },
  {
    title: 'a receipt after all: settled by it, whatever the evidence',
    observation: seen(receipt),
    from: state('pending', { evidence: [lookAt(11), lookAt(5)] }),
    expected: confirmed,
  },
  {
    title: 'an error between the looks leaves the evidence as it is',
    observation: unavailable,
    from: state('pending', { evidence: [lookAt(11), lookAt(5)] }),
    expected: unspent(0, 1, 1000),
  },
  {
    title: 'nonce used up at the limit: stalled with the evidence',
    observation: usedUp,
    from: state('pending', { retryCount: 3 }),
    expected: {
      kind: 'stall',
      reason: 'receipt-absent',
      nextCheckInMs: 60_000,
      notes: evidence(lookAt(0)),
    },
  },
  {
    title: 'stalled, the evidence complete: replaced',
    observation: usedUp,
    from: state('stalled', { stalledAt: NOW, evidence: [lookAt(11), lookAt(5)] }),
    expected: { kind: 'replace', evidence: THREE, nextCheckInMs: 60_000 },
  },
  {
    title: 'expired: never replaced any more',
    observation: usedUp,
    from: state('expired', { evidence: [lookAt(11), lookAt(5)], settledAt: NOW }),
    expected: { ...keep(60_000), notes: NOTHING_NEW },
  },
  {
    title: 'stalled, absent at one node at the end where two are asked for: kept',
    observation: atOneNode,
    from: state('stalled', { stalledAt: stalledLongAgo }),
    expected: keep(60_000),
  },
  {
    title: 'stalled, in a pool at the end: kept',
    observation: inPool,
    from: state('stalled', { stalledAt: stalledLongAgo }),
    expected: { ...keep(60_000), notes: { seen: SEEN, evidence: null, absentChecks: null } },
  },
)

describe('what a look should find out', () => {
  const row = { ...state('pending'), txHash: '0x1', sender: null, nonce: null, seen: null }

  it('first only whether there is a receipt; later, and without a verdict, more', () => {
    expect(queryFor(row).thorough).toBe(false)
    expect(queryFor({ ...row, retryCount: 1 }).thorough).toBe(false)
    expect(queryFor({ ...row, retryCount: 2 }).thorough).toBe(true)
    expect(queryFor({ ...row, status: 'stalled' }).thorough).toBe(true)
    expect(queryFor({ ...row, evidence: [lookAt(0)] }).thorough).toBe(true)
  })

  it('uses only what the chain showed of sender and nonce, never what the caller claimed', () => {
    const claimed = { ...row, sender: '0xbb', nonce: 9 }
    expect(queryFor(claimed).known).toBeNull()
    expect(queryFor({ ...claimed, seen: SEEN }).known).toEqual(SEEN)
  })
})

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
