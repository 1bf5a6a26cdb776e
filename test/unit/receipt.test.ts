import { describe, expect, it } from 'vitest'
import { toReceipt } from '../../src/chain/receipt.ts'
import { failureOf } from '../../src/domain/receipt.ts'

const TX_HASH = `0x${'ab'.repeat(32)}`
const answer = {
  transactionHash: TX_HASH,
  blockHash: `0x${'CD'.repeat(32)}`,
  blockNumber: '0x10',
  transactionIndex: '0x2',
  gasUsed: '0x5208',
  effectiveGasPrice: '0x5d21dba00',
  status: '0x1',
}

describe('a receipt', () => {
  it('is normalised: numbers exact, hashes in lower case, the answer kept', () => {
    expect(toReceipt(answer, TX_HASH)).toEqual({
      txHash: TX_HASH,
      succeeded: true,
      txError: null,
      blockNumber: 16,
      blockHash: answer.blockHash.toLowerCase(),
      transactionIndex: 2,
      gasUsed: '21000',
      effectiveGasPriceWei: '25000000000',
      raw: answer,
    })
  })

  it('is kept as the node gave it, but for the bloom filter', () => {
    const full = { ...answer, logs: [{ data: '0x' }], logsBloom: `0x${'0'.repeat(512)}`, feePayer: '0x1' }
    expect(toReceipt(full, TX_HASH).raw).toEqual({ ...answer, logs: [{ data: '0x' }], feePayer: '0x1' })
  })

  it('keeps amounts beyond 2^53 exact', () => {
    const big = toReceipt(
      { ...answer, gasUsed: '0x20000000000001', effectiveGasPrice: `0x${'f'.repeat(32)}` },
      TX_HASH,
    )
    expect(big.gasUsed).toBe('9007199254740993')
    expect(big.effectiveGasPriceWei).toBe('340282366920938463463374607431768211455')
  })

  it('of an older Kaia node has gasPrice instead', () => {
    const { effectiveGasPrice: _, ...older } = answer
    expect(toReceipt({ ...older, gasPrice: '0x19' }, TX_HASH).effectiveGasPriceWei).toBe('25')
    expect(toReceipt(older, TX_HASH).effectiveGasPriceWei).toBeNull()
  })

  it.each([
    ['of another transaction', { transactionHash: `0x${'00'.repeat(32)}` }],
    ['without a status', { status: undefined }],
    ['with a status that is neither 0 nor 1', { status: '0x2' }],
    ['with a status of another type', { status: true }],
    ['without a block hash, as of a pending one', { blockHash: null }],
    ['without a block number', { blockNumber: null }],
    ['with a block number that is none', { blockNumber: 'latest' }],
    ['without gas used', { gasUsed: undefined }],
  ])('%s proves nothing', (_title, change) => {
    expect(() => toReceipt({ ...answer, ...change }, TX_HASH)).toThrow(/^it (is|has)|^its /)
  })
})

describe("a failure has Kaia's reason", () => {
  const reasonOf = (txError?: string) =>
    failureOf(toReceipt({ ...answer, status: '0x0', ...(txError === undefined ? {} : { txError }) }, TX_HASH))

  it.each([
    ['0x2', 'VM error while running the contract'],
    ['0x7', 'out of gas'],
    ['0x09', 'execution reverted'],
    ['0xa', 'computation cost limit reached'],
    ['0x0e', 'fee ratio out of [1, 99]'],
    ['0x1e', 'smart contract code format invalid'],
  ])('%s: %s', (code, name) => {
    expect(reasonOf(code)).toEqual({ code, name })
  })

  it('every code of the table has a name of its own', () => {
    const names = Array.from({ length: 29 }, (_, index) => reasonOf(`0x${(index + 2).toString(16)}`)?.name)
    expect(new Set(names).size).toBe(29)
    expect(names.filter((name) => name?.startsWith('unknown'))).toEqual([])
  })

  it('an unknown code is shown as it is; without one it is a revert', () => {
    expect(reasonOf('0x63')).toEqual({ code: '0x63', name: 'unknown txError 0x63' })
    expect(reasonOf()).toEqual({ code: null, name: 'reverted' })
  })
})
