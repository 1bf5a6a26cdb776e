import { describe, expect, it } from 'vitest'
import { aLook } from '../../src/dev/sample-look.ts'
import { diagnose, type Examined } from '../../src/domain/diagnose.ts'
import type { NodeExamination } from '../../src/domain/diagnosis.ts'
import { recordedTransaction, type Transaction } from '../../src/domain/transaction.ts'

const NOW = new Date('2026-11-21T12:00:00Z')
const SENDER = `0x${'ab'.repeat(20)}`
const POLICY = { retryLimit: 10, finalityDepthBlocks: 0, expireAfterMs: 86_400_000 }

function secondsAgo(seconds: number): Date {
  return new Date(NOW.getTime() - seconds * 1_000)
}

function transactionWith(changes: Partial<Transaction>): Transaction {
  const registration = { chain: 'kaia', txHash: `0x${'1'.repeat(64)}`, kind: 'order', payload: null }
  const nobody = { sender: null, nonce: null, correlationId: null, traceParent: null }
  const times = { id: 'an id', createdAt: secondsAgo(3), nextCheckAt: secondsAgo(-2) }
  return { ...recordedTransaction({ ...registration, ...nobody }, times), ...changes }
}

const NODE: NodeExamination = {
  node: 'one:8551',
  problem: null,
  isBehind: false,
  headNumber: 100,
  blockNumber: null,
  known: null,
  nextNonce: null,
}
const DOWN = { ...NODE, node: 'two:8551', problem: 'connection refused', headNumber: null }
const BEHIND = { ...NODE, node: 'three:8551', problem: 'its head 60 is 40 blocks behind', isBehind: true }

function codesOf(given: Partial<Examined>, policy: Partial<typeof POLICY> = {}): string[] {
  const examined = {
    ...{ transaction: transactionWith({}), looks: [], nodes: [NODE], workers: 1, waitingChecks: 0 },
    ...given,
  }
  return diagnose(examined, { ...POLICY, ...policy }, NOW).map(({ code }) => code)
}

describe('a diagnosis names first what explains most', () => {
  const pooled = (nonce: number, nextNonce: number) => [
    { ...NODE, known: { sender: SENDER, nonce }, nextNonce },
  ]
  const sent = { sender: SENDER, nonce: 7 }
  const cases: readonly [string, Partial<Examined>, readonly string[], Partial<typeof POLICY>?][] = [
    ['no node knows a new one: it may still arrive', {}, ['not-seen', 'queued']],
    [
      'no node knows one that is old',
      { transaction: transactionWith({ createdAt: secondsAgo(90) }) },
      ['not-seen', 'queued'],
    ],
    ['in the pool', { nodes: pooled(7, 7) }, ['in-pool', 'queued']],
    ['in the pool behind a gap', { nodes: pooled(7, 5) }, ['nonce-gap', 'evicted-soon', 'queued']],
    [
      'behind a gap for longer than the nodes keep it',
      { nodes: pooled(7, 5), transaction: transactionWith({ createdAt: secondsAgo(301) }) },
      ['nonce-gap', 'queued'],
    ],
    [
      'its nonce is used up',
      { transaction: transactionWith(sent), nodes: [{ ...NODE, nextNonce: 8 }] },
      ['nonce-used', 'queued'],
    ],
    [
      'dropped from the pool with a gap before it',
      { transaction: transactionWith({ seen: sent }), nodes: [{ ...NODE, nextNonce: 6 }] },
      ['nonce-gap', 'evicted', 'queued'],
    ],
    ['dropped from the pool', { looks: [{ ...aLook('waits'), saw: 'in-pool' }] }, ['evicted', 'queued']],
    [
      'in a block that is not final',
      { nodes: [{ ...NODE, blockNumber: 99 }] },
      ['mined-not-final', 'queued'],
      { finalityDepthBlocks: 3 },
    ],
    [
      'final, and the next look comes',
      { nodes: [{ ...NODE, blockNumber: 100 }] },
      ['receipt-final', 'queued'],
    ],
    [
      'one node is down, another knows it',
      { nodes: [DOWN, ...pooled(7, 7)] },
      ['nodes-unavailable', 'in-pool', 'queued'],
    ],
    ['all nodes are down', { nodes: [DOWN] }, ['nodes-unavailable', 'queued']],
    ['all nodes are behind', { nodes: [BEHIND] }, ['nodes-lagging', 'queued']],
    ['nobody works', { workers: 0 }, ['nobody-works', 'not-seen', 'queued']],
    [
      'the queue is behind',
      { transaction: transactionWith({ nextCheckAt: secondsAgo(20) }) },
      ['not-seen', 'queue-behind'],
    ],
    [
      'the business write fails',
      {
        transaction: transactionWith({ handlerAttempts: 3, lastError: 'no table orders' }),
        looks: [{ ...aLook('waits'), saw: 'receipt', reason: 'handler-failed' }],
        nodes: [{ ...NODE, blockNumber: 100 }],
      },
      ['business-write-failing', 'receipt-final', 'queued'],
    ],
    [
      'parked',
      {
        transaction: transactionWith({ parkedAt: NOW, handlerAttempts: 20, nextCheckAt: null }),
        nodes: [{ ...NODE, blockNumber: 100 }],
      },
      ['parked', 'receipt-final'],
    ],
    [
      'stalled',
      { transaction: transactionWith({ status: 'stalled', stalledAt: NOW }) },
      ['stalled', 'not-seen', 'queued'],
    ],
    [
      'expired',
      { transaction: transactionWith({ status: 'expired', nextCheckAt: null }) },
      ['expired', 'not-seen'],
    ],
    ['this process asks no node', { nodes: null }, ['no-node-to-ask', 'queued']],
    ...(['confirmed', 'failed', 'replaced'] as const).map(
      (status): [string, Partial<Examined>, readonly string[]] => [
        status,
        { transaction: transactionWith({ status, nextCheckAt: null }), nodes: null },
        ['settled'],
      ],
    ),
  ]
  for (const [name, given, codes, policy] of cases) {
    it(name, () => {
      expect(codesOf(given, policy)).toEqual(codes)
    })
  }

  it('a gap names the missing nonces and the time that is left', () => {
    const transaction = transactionWith({ createdAt: secondsAgo(60) })
    const nodes = [{ ...NODE, known: { sender: SENDER, nonce: 7 }, nextNonce: 5 }]
    const [gap, soon] = diagnose({ transaction, looks: [], nodes, workers: 1, waitingChecks: 0 }, POLICY, NOW)
    expect(gap?.text).toContain('the nonces 5 to 6')
    expect(gap?.details).toMatchObject({ missingNonces: { first: 5, last: 6 } })
    expect(soon?.text).toContain('240 s')
  })

  it('no look is promised to one that is parked', () => {
    const transaction = transactionWith({ parkedAt: NOW, handlerAttempts: 20, nextCheckAt: null })
    const nodes = [{ ...NODE, blockNumber: 100 }]
    const found = diagnose({ transaction, looks: [], nodes, workers: 1, waitingChecks: 0 }, POLICY, NOW)
    for (const { text, advice } of found) expect(`${text} ${advice}`).not.toMatch(/next look/i)
  })

  it('says in words how many blocks are missing, and until when', () => {
    const nodes = [{ ...NODE, blockNumber: 99 }]
    const examined = { transaction: transactionWith({}), looks: [], nodes, workers: 1, waitingChecks: 0 }
    const [first] = diagnose(examined, { ...POLICY, finalityDepthBlocks: 3 }, NOW)
    expect(first?.text).toContain('2 more block(s)')
  })
})
