import { describe, expect, it } from 'vitest'
import { type Check, encodeChecks, MAX_CHECKS, parseCheckMessages } from '../../src/domain/message.ts'

const TX_HASH = `0x${'ab'.repeat(32)}`
const check: Check = {
  id: '01a1fcf8-4105-7698-b979-e1c3f217e56c',
  chain: 'kaia',
  txHash: TX_HASH,
  retryCount: 3,
  dueAt: '2026-01-02T03:04:05.678Z',
  correlationId: 'c-1',
}

const parseAll = (body: unknown) =>
  parseCheckMessages(typeof body === 'string' ? body : JSON.stringify(body), 'kaia', 'c-1')
const parse = (body: unknown) => parseAll(body)[0]

describe('a check message', () => {
  it('has the form of the contract', () => {
    expect(JSON.parse(encodeChecks([check]))).toEqual({
      v: 1,
      id: check.id,
      chain: 'kaia',
      txHash: TX_HASH,
      retry_count: 3,
      due_at: '2026-01-02T03:04:05.678Z',
    })
  })

  it('of a release that did not say when its row is due is read all the same', () => {
    const { due_at: _, ...older } = JSON.parse(encodeChecks([check])) as { due_at: string }
    expect(parse(older)).toEqual({ kind: 'check', check: { ...check, dueAt: null } })
    expect(parse({ ...older, due_at: 7 })).toEqual({ kind: 'check', check: { ...check, dueAt: null } })
  })

  it('is read as it was written', () => {
    expect(parse(encodeChecks([check]))).toEqual({ kind: 'check', check })
  })

  it('may have fields that a newer release added', () => {
    expect(parse({ ...JSON.parse(encodeChecks([check])), later: { x: 1 } })).toEqual({ kind: 'check', check })
  })

  it('of an unknown version is left to whoever knows it', () => {
    expect(parse({ v: 2, anything: true })).toEqual({ kind: 'unsupported', version: '2' })
    expect(parse({ v: '1', id: check.id })).toEqual({ kind: 'unsupported', version: '"1"' })
  })
})

describe('a message of several checks', () => {
  const other: Check = { ...check, id: '01a1fcf8-4105-7698-b979-e1c3f217e56d', correlationId: 'c-2' }
  const third: Check = { ...check, id: '01a1fcf8-4105-7698-b979-e1c3f217e56e', correlationId: null }

  it('is to an older release the message of the first', () => {
    expect(JSON.parse(encodeChecks([check, other]))).toMatchObject(JSON.parse(encodeChecks([check])))
  })

  it('is read as it was written, each check with its own correlation id', () => {
    const read = parseAll(encodeChecks([check, other, third]))
    expect(read).toEqual([check, other, third].map((each) => ({ kind: 'check', check: each })))
  })

  it('of which one makes no sense is read but for that one', () => {
    const read = parseAll({
      ...JSON.parse(encodeChecks([check, other, third])),
      more: [null, { id: 'x' }, other],
    })
    expect(read.map(({ kind }) => kind)).toEqual(['check', 'unreadable', 'unreadable', 'check'])
  })

  it('is that of the first where more is no list, or far longer than any that is written', () => {
    for (const more of [5, {}, null, Array.from({ length: 50 * MAX_CHECKS }, () => other)]) {
      expect(parseAll({ ...JSON.parse(encodeChecks([check])), more })).toEqual([{ kind: 'check', check }])
    }
  })
})

describe('a foreign message', () => {
  it('with only a hash is a registration with the defaults', () => {
    expect(parse({ txHash: TX_HASH.toUpperCase().replace('0X', '0x') })).toEqual({
      kind: 'registration',
      registration: {
        chain: 'kaia',
        txHash: TX_HASH,
        kind: 'default',
        payload: null,
        sender: null,
        nonce: null,
        correlationId: 'c-1',
        traceParent: null,
      },
    })
  })

  it('carries kind, payload, sender and nonce, and may carry more', () => {
    const from = `0x${'CD'.repeat(20)}`
    const message = { v: 1, txHash: TX_HASH, kind: 'mint', payload: { a: [1] }, from, nonce: 7, extra: 1 }
    expect(parse(message)).toMatchObject({
      kind: 'registration',
      registration: { kind: 'mint', payload: { a: [1] }, sender: from.toLowerCase(), nonce: 7 },
    })
  })
})

describe('garbage is unreadable, with the reason', () => {
  it.each([
    ['nothing', '', 'not JSON'],
    ['half of JSON', '{"v":1,', 'not JSON'],
    ['bytes', '\u0000\u0001\ufffd', 'not JSON'],
    ['null', 'null', 'not a JSON object'],
    ['a list', '[]', 'not a JSON object'],
    ['a number', '12', 'not a JSON object'],
    ['no id and no hash', {}, 'neither id nor txHash'],
    ['an id that is no UUID', { id: 'x' }, 'id is not a UUID'],
    ['an id of another type', { id: 5 }, 'id is not a UUID'],
    ['a negative retry count', { id: check.id, retry_count: -1 }, 'retry_count'],
    ['a retry count with a fraction', { id: check.id, retry_count: 1.5 }, 'retry_count'],
    ['a hash that is none', { txHash: '0x12' }, 'txHash'],
    ['another chain', { txHash: TX_HASH, chain: 'base' }, 'chain'],
    ['a nonce that is none', { txHash: TX_HASH, nonce: -4 }, 'nonce'],
    ['a payload with NUL', { txHash: TX_HASH, payload: 'a\u0000b' }, 'payload'],
    [
      'a payload with a number that would lose digits',
      `{"txHash":"${TX_HASH}","payload":{"items":[{"amount":1.00000000000000000001}]}}`,
      'payload.items[0].amount is a number that would lose digits',
    ],
  ])('%s', (_title, body, reason) => {
    const parsed = parse(body)
    expect(parsed.kind).toBe('unreadable')
    expect(parsed.kind === 'unreadable' && parsed.reason).toContain(reason)
  })
})
