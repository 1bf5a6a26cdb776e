import { describe, expect, it } from 'vitest'
import { readAccountNonce } from '../../src/chain/facts/account-nonce.ts'
import { readBlock, readHead, readHeader } from '../../src/chain/facts/block.ts'
import { readChainId } from '../../src/chain/facts/chain-id.ts'
import { errorOf, readResponse } from '../../src/chain/facts/response.ts'
import { readTransaction } from '../../src/chain/facts/transaction.ts'
import { NAMESPACES, RECORDINGS, recordedAnswer, recordedFields, recording } from '../support/kaia-answers.ts'

/** After all recordings were made. */
const NOW_MS = Date.parse('2026-11-26T00:00:00Z')
const TRANSACTIONS = RECORDINGS.filter(({ name, hash }) => hash !== undefined && name !== 'never')
const WITH_BLOCK = RECORDINGS.filter(({ name }) => name !== 'never')

describe.each(NAMESPACES)('recorded answers of %s', (namespace) => {
  it.each(TRANSACTIONS)('the transaction $name shows its sender and nonce', ({ name, hash = '' }) => {
    const answer = recordedFields(name, `${namespace}_getTransactionByHash`)
    expect(readTransaction({ txHash: hash }, answer)).toEqual({
      seen: { sender: answer['from'], nonce: Number(answer['nonce']) },
      notes: [],
    })
  })

  it('a transaction that was never sent is absent', () => {
    const { hash = '' } = recording('never')
    const answer = recordedAnswer('never', `${namespace}_getTransactionByHash`)
    expect(readTransaction({ txHash: hash }, answer)).toBeNull()
  })

  it.each(WITH_BLOCK)('the block of $name is read, as a block and as a header', ({ name }) => {
    const answer = recordedFields(name, `${namespace}_getBlockByNumber`)
    const question = { blockNumber: Number(answer['number']), nowMs: NOW_MS }
    const header = {
      number: question.blockNumber,
      hash: answer['hash'],
      parentHash: answer['parentHash'],
      timeMs: Number(answer['timestamp']) * 1_000,
    }
    expect(readBlock(question, answer)).toEqual({ ...header, txHashes: answer['transactions'] })
    expect(readHeader(question, answer)).toEqual(header)
    expect(readHead({ nowMs: NOW_MS }, answer)).toEqual(header)
  })
})

it.each(RECORDINGS)('the namespaces klay and kaia give the same answers: $name', ({ calls }) => {
  for (const { method, result } of calls.filter((call) => call.method.startsWith('klay_'))) {
    const other = calls.find((call) => call.method === method.replace('klay_', 'kaia_'))
    expect(other?.result).toEqual(result)
  }
})

describe('a transaction', () => {
  const METHOD = 'klay_getTransactionByHash'
  const txHash = recording('legacy').hash ?? ''
  const read = (changes: object) =>
    readTransaction({ txHash }, { ...recordedFields('legacy', METHOD), ...changes })

  it.each([
    { from: null },
    { from: undefined },
    { from: 'null' },
    { nonce: undefined },
    { nonce: -1 },
    { nonce: '0x' },
  ])('without a usable sender or nonce, %j, is known, but teaches none', (change) => {
    expect(read(change)).toEqual({
      seen: null,
      notes: [expect.stringContaining('the transaction is used without')],
    })
  })

  it('in the pool is known as well', () => {
    expect(read({ blockHash: null, blockNumber: null, transactionIndex: null })?.seen).not.toBeNull()
  })

  it.each([
    ['another transaction', recordedAnswer('early', METHOD)],
    ['a transaction without its hash', { ...recordedFields('legacy', METHOD), hash: undefined }],
    ['a text', 'pending'],
    ['a list', []],
  ])('%s is no answer, and no absence', (_title, answer) => {
    expect(() => readTransaction({ txHash }, answer)).toThrow(/^it is|^it has/)
  })
})

describe('a block', () => {
  const METHOD = 'klay_getBlockByNumber'
  const block = recordedFields('block', METHOD)
  const question = { blockNumber: Number(block['number']), nowMs: NOW_MS }
  const readBoth = (changes: object) => [
    () => readBlock(question, { ...block, ...changes }),
    () => readHeader(question, { ...block, ...changes }),
  ]

  it.each([
    ['of another height', { number: '0x68' }],
    ['without a number', { number: null }],
    ['without a hash', { hash: null }],
    ['without the hash of its parent', { parentHash: undefined }],
    ['with a hash that is cut', { hash: '0xc6' }],
    ['with a time in milliseconds', { timestamp: `0x${Number(block['timestamp']).toString(16)}000` }],
    ['without a time', { timestamp: undefined }],
    ['with a time of another type', { timestamp: 1_795_000_000 }],
    ['of the next hour', { timestamp: `0x${(NOW_MS / 1_000 + 3_600).toString(16)}` }],
  ])('%s can not be used', (_title, change) => {
    for (const read of readBoth(change)) expect(read).toThrow(/^it is|^it has|^its /)
  })

  it.each([[undefined], [null], ['0x'], [{}], [['0x12']], [[{ hash: block['hash'] }]]])(
    'with the transactions %j can not be used as a block',
    (transactions) => {
      expect(() => readBlock(question, { ...block, transactions })).toThrow(/^it has no/)
    },
  )

  it('that the node does not have is absent, but every node has a newest header', () => {
    expect(readBlock(question, null)).toBeNull()
    expect(readHeader(question, null)).toBeNull()
    expect(() => readHead({ nowMs: NOW_MS }, null)).toThrow('it is no header: null')
  })
})

it.each([[null], [undefined], [''], ['0x'], [3], ['-0x1'], [`0x${'f'.repeat(20)}`], [{}]])(
  '%j is no nonce and no chain id',
  (answer) => {
    expect(() => readAccountNonce(answer)).toThrow(/^it has no usable|^its /)
    expect(() => readChainId(answer)).toThrow(/^it has no usable|^its /)
  },
)

it('a nonce and a chain id are numbers', () => {
  expect(readAccountNonce('0x1f')).toBe(31)
  expect(readChainId('0x2019')).toBe(8217)
})

describe('a response of JSON-RPC', () => {
  it('has a result, which may be null, or an error', () => {
    expect(readResponse({ id: 3 }, { jsonrpc: '2.0', id: 3, result: null })).toEqual({
      kind: 'result',
      result: null,
    })
    const error = { code: -32_000, message: 'header not found' }
    expect(readResponse({ id: 3 }, { jsonrpc: '2.0', id: 3, error })).toEqual({ kind: 'error', ...error })
    for (const result of [null, {}]) {
      const answer = { jsonrpc: '2.0', id: 3, error, result }
      expect(readResponse({ id: 3 }, answer)).toEqual({ kind: 'error', ...error })
    }
  })

  it.each([
    ['of another request', { jsonrpc: '2.0', id: 4, result: null }],
    ['whose id is of another type', { jsonrpc: '2.0', id: '3', result: null }],
    ['without an id', { jsonrpc: '2.0', result: null }],
    ['without a result', { jsonrpc: '2.0', id: 3 }],
    ['without a result, its error being null', { jsonrpc: '2.0', id: 3, error: null }],
    ['of another version', { jsonrpc: '1.0', id: 3, result: null }],
    ['that is a list', []],
    ['that is null', null],
    ['that is a text', 'x'],
  ])('%s can not be used', (_title, answer) => {
    expect(() => readResponse({ id: 3 }, answer)).toThrow(/^it is|^it has|^it answers/)
  })

  it('says an error also where nothing else of it is right', () => {
    expect(errorOf({ error: 'too many' })).toEqual({ code: undefined, message: 'too many' })
    expect(errorOf({ id: null, error: { code: 7, message: 'x' } })).toEqual({ code: 7, message: 'x' })
    for (const answer of [null, [], 'x', {}, { error: null }]) expect(errorOf(answer)).toBeNull()
  })
})
